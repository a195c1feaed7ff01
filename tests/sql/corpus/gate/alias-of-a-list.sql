-- allowed
WITH [1, 2] AS secret SELECT a IN secret FROM messages
