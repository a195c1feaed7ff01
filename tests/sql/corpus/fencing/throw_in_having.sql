SELECT n FROM m GROUP BY n HAVING NOT throwIf(n > 50) ORDER BY n
---
SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m GROUP BY n HAVING NOT throwIf(n > 50) ORDER BY n ASC
---
[0]
[1]
[2]
[3]
