-- SC515 secret
SELECT in(a, secret), nullIn(a, secret) FROM messages
