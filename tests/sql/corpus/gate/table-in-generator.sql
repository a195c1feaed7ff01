-- SC515 secret
SELECT * FROM numbers((SELECT max(a) FROM secret))
