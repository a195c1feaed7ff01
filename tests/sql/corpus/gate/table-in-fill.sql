-- SC515 secret
SELECT a FROM messages ORDER BY a WITH FILL TO (SELECT max(a) FROM secret)
