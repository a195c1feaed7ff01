SELECT tenant AS x, 'a' AS tenant FROM m ORDER BY ALL
---
SELECT tenant AS x, 'a' AS tenant FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY ALL ASC
---
["a", "a"]
["a", "a"]
["a", "a"]
["a", "a"]
["a", "a"]
["a", "a"]
["a", "a"]
["a", "a"]
