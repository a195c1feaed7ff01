-- allowed
WITH x AS (SELECT a FROM y), y AS (SELECT a FROM messages) SELECT a FROM x
