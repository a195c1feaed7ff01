SELECT n FROM u INTERSECT SELECT n FROM m
---
SELECT n FROM fencing.u INTERSECT SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
[0]
[1]
[2]
[3]
