-- SC515 secret
SELECT (x) AS secret, (a IN secret) AS x FROM messages
