-- SC515 secret
SELECT arrayMap(x -> (x AS secret), [1]), a IN secret FROM messages
