-- SC516 currentDatabase
SELECT currentDatabase()
