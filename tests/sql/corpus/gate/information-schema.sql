-- SC115 information_schema.tables
SELECT * FROM information_schema.tables
