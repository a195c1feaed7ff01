-- SC515 secret
SELECT sum(a) FILTER (WHERE a IN secret) FROM messages
