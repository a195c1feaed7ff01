SELECT n FROM m ORDER BY n SETTINGS final = 1
---
SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY n ASC SETTINGS final = 1
---
[0]
[1]
[2]
[3]
