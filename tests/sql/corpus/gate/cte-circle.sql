-- SC515 c messages2
WITH c AS (SELECT a FROM messages2), messages2 AS (SELECT a FROM c) SELECT a FROM c
