-- SC515 secret
SELECT * REPLACE ((SELECT max(a) FROM secret) AS a) FROM messages
