-- allowed
SELECT * FROM (WITH secret AS (SELECT 1 AS a) SELECT a FROM messages UNION ALL SELECT a FROM secret)
