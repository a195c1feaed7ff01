-- allowed
WITH x AS (SELECT a FROM messages), y AS (SELECT a FROM x) SELECT a FROM y, x
