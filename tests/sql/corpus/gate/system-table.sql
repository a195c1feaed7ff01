-- SC115 system.tables
SELECT name FROM system.tables
