-- SC516 globalVariable
SELECT @@version
