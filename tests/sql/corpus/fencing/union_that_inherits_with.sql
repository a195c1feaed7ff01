WITH x AS (SELECT n FROM m) SELECT n FROM x UNION ALL SELECT n + 1 FROM x
---
WITH x AS (SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m) SELECT n FROM x UNION ALL SELECT n + 1 FROM x
---
[0]
[1]
[2]
[3]
[1]
[2]
[3]
[4]
[0]
[1]
[2]
[3]
[1]
[2]
[3]
[4]
