-- SC515 secret
SELECT * APPLY (x -> x IN (SELECT a FROM secret)) FROM messages
