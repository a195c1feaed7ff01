-- SC515 secret
SELECT a FROM messages WHERE a GLOBAL NOT IN secret
