-- SC515 secret
SELECT 1 AS secret FROM secret
