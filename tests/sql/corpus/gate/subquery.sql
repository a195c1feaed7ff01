-- allowed
SELECT * FROM (SELECT a FROM messages UNION ALL SELECT a FROM users) WHERE a IN (SELECT a FROM users)
