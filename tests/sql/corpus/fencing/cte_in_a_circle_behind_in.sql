WITH d AS (SELECT n FROM u WHERE (n, tenant) IN (SELECT n, tenant FROM m)), m AS (SELECT n, 'a' AS tenant FROM d) SELECT * FROM m ORDER BY ALL
---
WITH d AS (SELECT n FROM fencing.u WHERE (n, tenant) IN (SELECT n, tenant FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m)), m AS (SELECT n, 'a' AS tenant FROM d) SELECT * FROM m ORDER BY ALL ASC
---
[0, "a"]
[1, "a"]
[2, "a"]
[3, "a"]
