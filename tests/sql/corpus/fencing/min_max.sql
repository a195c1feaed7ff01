SELECT min(tenant), max(tenant), min(n), max(n) FROM m
---
SELECT min(tenant), max(tenant), min(n), max(n) FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
["a", "a", 0, 3]
