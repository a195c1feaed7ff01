-- SC115 secret
SELECT a FROM secret AS messages
