-- SC515 secret
SELECT a, 1 AS b FROM messages ORDER BY a WITH FILL INTERPOLATE (b AS (SELECT max(a) FROM secret))
