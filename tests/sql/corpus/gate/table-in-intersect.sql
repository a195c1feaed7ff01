-- SC515 secret
SELECT a FROM messages INTERSECT SELECT a FROM secret
