-- SC116 currentDatabase
SELECT currentDatabase()
