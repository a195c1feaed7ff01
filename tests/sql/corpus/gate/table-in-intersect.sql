-- SC115 secret
SELECT a FROM messages INTERSECT SELECT a FROM secret
