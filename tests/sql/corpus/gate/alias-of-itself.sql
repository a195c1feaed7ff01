-- SC515 secret
SELECT a IN secret AS secret FROM messages
