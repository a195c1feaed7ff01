SELECT n FROM m AS x(a, b, c, d) ORDER BY n
---
SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS x(a, b, c, d) ORDER BY n ASC
---
[0]
[0]
[1]
[1]
[2]
[2]
[3]
[3]
