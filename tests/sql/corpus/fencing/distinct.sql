SELECT DISTINCT tenant FROM m
---
SELECT DISTINCT tenant FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
["a"]
