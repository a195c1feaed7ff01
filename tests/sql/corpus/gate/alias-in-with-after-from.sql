-- SC115 secret
WITH (SELECT 1) AS secret SELECT * FROM secret
