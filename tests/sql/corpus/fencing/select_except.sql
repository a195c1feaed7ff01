SELECT * EXCEPT (tenant), COLUMNS('sec') FROM m ORDER BY n
---
SELECT * EXCEPT tenant, COLUMNS('sec') FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY n ASC
---
["mine0", 0, ["x"], "mine0"]
["mine0", 0, ["x"], "mine0"]
["mine1", 1, [], "mine1"]
["mine1", 1, [], "mine1"]
["2", 2, ["x","z"], "2"]
["2", 2, ["x","z"], "2"]
["mine1", 3, [], "mine1"]
["mine1", 3, [], "mine1"]
