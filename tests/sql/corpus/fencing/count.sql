SELECT count(), uniq(secret), max(n), groupArray(secret) FROM m
---
SELECT count(), uniq(secret), max(n), groupArray(secret) FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
[8, 3, 3, ["mine0","mine1","2","mine1","mine0","mine1","2","mine1"]]
