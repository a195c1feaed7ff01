-- allowed
WITH secret AS (SELECT a FROM messages) SELECT a FROM secret WHERE a IN secret
