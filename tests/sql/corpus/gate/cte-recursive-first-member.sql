-- SC515 secret
WITH RECURSIVE secret AS (SELECT a FROM secret UNION ALL SELECT a + 1 FROM secret WHERE a < 3) SELECT a FROM secret
