-- SC517 join_use_nulls
SELECT a FROM messages SETTINGS join_use_nulls = 1
