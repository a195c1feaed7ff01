-- allowed
FROM messages SELECT a
