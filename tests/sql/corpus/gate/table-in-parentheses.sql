-- SC515 secret
((SELECT a FROM messages) UNION ALL (SELECT a FROM secret))
