-- SC515 secret
SELECT arrayMap(x -> (x IN (SELECT a FROM secret)), [1]) FROM messages
