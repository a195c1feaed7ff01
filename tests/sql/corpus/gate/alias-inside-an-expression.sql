-- SC515 secret
SELECT 1 + ([1] AS secret)[1], a IN secret FROM messages
