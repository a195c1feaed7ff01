-- allowed
SELECT EXISTS (SELECT 1 FROM messages), 1 = ANY (SELECT a FROM users)
