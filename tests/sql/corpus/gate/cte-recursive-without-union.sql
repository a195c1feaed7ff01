-- SC515 secret
WITH RECURSIVE secret AS (SELECT a FROM secret) SELECT a FROM secret
