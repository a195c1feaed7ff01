SELECT n FROM m ORDER BY n LIMIT 0
---
SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY n ASC LIMIT 0
---
