-- SC515 d secret
WITH secret AS (SELECT a FROM messages), d AS (SELECT a FROM secret) SELECT a FROM (WITH messages AS (SELECT a FROM d) SELECT a FROM secret)
