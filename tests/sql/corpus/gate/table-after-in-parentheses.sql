-- SC515 secret
SELECT a FROM messages WHERE a NOT IN (secret)
