WITH m AS (SELECT * FROM d), d AS (SELECT * FROM m) SELECT * FROM m
---
WITH m AS (SELECT * FROM d), d AS (SELECT * FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m) SELECT * FROM m
---
["a", "mine0", 0, ["x"]]
["a", "mine1", 1, []]
["a", "2", 2, ["x","z"]]
["a", "mine1", 3, []]
["a", "mine0", 0, ["x"]]
["a", "mine1", 1, []]
["a", "2", 2, ["x","z"]]
["a", "mine1", 3, []]
