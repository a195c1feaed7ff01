SELECT tag FROM m ARRAY JOIN tags AS tag ORDER BY ALL
---
SELECT tag FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ARRAY JOIN tags AS tag ORDER BY ALL ASC
---
["x"]
["x"]
["x"]
["x"]
["z"]
["z"]
