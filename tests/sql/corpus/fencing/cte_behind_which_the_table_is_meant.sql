WITH m AS (SELECT 1 AS n) SELECT count() FROM view(SELECT * FROM m)
---
WITH m AS (SELECT 1 AS n) SELECT count() FROM view(SELECT * FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m)
---
[8]
