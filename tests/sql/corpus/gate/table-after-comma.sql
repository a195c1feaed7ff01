-- SC515 secret
SELECT 1 FROM messages, secret
