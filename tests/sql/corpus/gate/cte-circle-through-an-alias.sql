-- SC515 secret
WITH (SELECT count() FROM secret) AS n, secret AS (SELECT n AS a) SELECT a FROM secret
