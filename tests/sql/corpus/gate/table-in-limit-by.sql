-- SC515 secret
SELECT a FROM messages LIMIT 1 BY a IN secret
