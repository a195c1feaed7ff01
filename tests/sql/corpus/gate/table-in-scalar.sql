-- SC515 secret
SELECT (SELECT a FROM secret LIMIT 1) FROM messages
