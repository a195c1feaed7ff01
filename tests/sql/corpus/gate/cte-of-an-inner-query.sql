-- SC515 secret
SELECT a FROM (WITH secret AS (SELECT 1 AS a) SELECT a FROM secret), secret
