SELECT n FROM u UNION ALL SELECT n FROM m
---
SELECT n FROM fencing.u UNION ALL SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
[0]
[1]
[2]
[3]
[4]
[0]
[1]
[2]
[3]
[0]
[1]
[2]
[3]
