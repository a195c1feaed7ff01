-- SC515 information_schema.tables
SELECT * FROM information_schema.tables
