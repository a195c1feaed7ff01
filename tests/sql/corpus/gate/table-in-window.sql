-- SC515 secret
SELECT sum(a) OVER (ORDER BY (SELECT max(a) FROM secret)) FROM messages
