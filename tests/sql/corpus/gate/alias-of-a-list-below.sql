-- allowed
WITH [1, 2] AS secret SELECT * FROM (SELECT a IN secret FROM messages)
