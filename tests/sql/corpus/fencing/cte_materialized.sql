WITH x AS MATERIALIZED (SELECT * FROM m) SELECT count() FROM x
---
WITH x AS MATERIALIZED (SELECT * FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m) SELECT count() FROM x
---
[8]
