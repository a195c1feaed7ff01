SELECT any(secret), anyLast(secret), argMax(secret, n) FROM m
---
SELECT any(secret), anyLast(secret), argMax(secret, n) FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
["mine0", "mine1", "mine1"]
