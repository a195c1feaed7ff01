-- allowed
WITH RECURSIVE secret AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM secret WHERE a < 5) SELECT a FROM secret
