SELECT m FROM (SELECT n AS m FROM m) AS m ORDER BY m
---
SELECT m FROM (SELECT n AS m FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m) AS m ORDER BY m ASC
---
[0]
[0]
[1]
[1]
[2]
[2]
[3]
[3]
