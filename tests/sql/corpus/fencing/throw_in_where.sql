SELECT n FROM m WHERE throwIf(tenant = 'b', 'a row of b')
---
SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE throwIf(tenant = 'b', 'a row of b')
---
