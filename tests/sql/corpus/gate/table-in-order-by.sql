-- SC515 secret
SELECT a FROM messages ORDER BY a IN secret
