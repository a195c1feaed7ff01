-- SC515 secret
WITH secret AS (SELECT a FROM messages), messages AS (SELECT a FROM secret) SELECT a FROM secret
