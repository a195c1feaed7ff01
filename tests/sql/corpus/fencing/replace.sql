SELECT * REPLACE ('a' AS tenant) FROM m ORDER BY n
---
SELECT * REPLACE ('a' AS tenant) FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY n ASC
---
["a", "mine0", 0, ["x"]]
["a", "mine0", 0, ["x"]]
["a", "mine1", 1, []]
["a", "mine1", 1, []]
["a", "2", 2, ["x","z"]]
["a", "2", 2, ["x","z"]]
["a", "mine1", 3, []]
["a", "mine1", 3, []]
