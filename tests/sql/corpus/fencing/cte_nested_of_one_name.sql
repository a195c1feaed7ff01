WITH x AS (WITH m AS (SELECT * FROM m) SELECT * FROM m) SELECT count() FROM x, m
---
WITH x AS (WITH m AS (SELECT * FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m) SELECT * FROM m) SELECT count() FROM x, view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
[64]
