-- SC515 secret
SELECT a FROM messages GROUP BY a HAVING a IN secret
