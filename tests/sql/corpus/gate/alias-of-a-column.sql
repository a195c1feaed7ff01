-- allowed
SELECT [1, 2] AS secret, a FROM messages WHERE a IN secret
