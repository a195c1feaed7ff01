-- SC116 globalVariable
SELECT @@version
