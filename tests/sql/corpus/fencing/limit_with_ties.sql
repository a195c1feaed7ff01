SELECT n FROM m ORDER BY tenant LIMIT 1 WITH TIES
---
SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY tenant ASC LIMIT 1  WITH TIES
---
[0]
[1]
[2]
[3]
[0]
[1]
[2]
[3]
