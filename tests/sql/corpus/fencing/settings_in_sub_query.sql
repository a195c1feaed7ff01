SELECT * FROM (SELECT n FROM m SETTINGS final = 1) ORDER BY n
---
SELECT * FROM (SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m SETTINGS final = 1) ORDER BY n ASC
---
[0]
[1]
[2]
[3]
