-- SC515 system.tables
SELECT name FROM system.tables
