-- SC515 secret
WITH secret AS (SELECT 1 AS a) SELECT a FROM messages UNION ALL WITH d AS (SELECT 1) SELECT a FROM secret
