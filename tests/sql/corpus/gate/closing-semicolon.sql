-- allowed
SELECT a FROM messages;
