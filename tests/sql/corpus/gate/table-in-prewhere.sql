-- SC515 secret
SELECT a FROM messages PREWHERE a IN secret
