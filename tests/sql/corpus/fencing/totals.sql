SELECT tenant, count() FROM m GROUP BY tenant WITH TOTALS
---
SELECT tenant, count() FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m GROUP BY tenant WITH TOTALS
---
["a", 8]
