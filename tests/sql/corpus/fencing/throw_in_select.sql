SELECT throwIf(tenant = 'b', 'a row of b') FROM m
---
SELECT throwIf(tenant = 'b', 'a row of b') FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
[0]
[0]
[0]
[0]
[0]
[0]
[0]
[0]
