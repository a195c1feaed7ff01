-- SC515 secret
WITH (SELECT 1) AS secret SELECT * FROM secret
