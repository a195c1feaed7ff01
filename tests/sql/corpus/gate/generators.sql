-- allowed
SELECT * FROM numbers(3) AS a, zeros(1) AS b, generateRandom('x UInt8', 1, 1, 1) AS c, values('x UInt8', 1) AS d LIMIT 1
