SELECT tenant FROM m GROUP BY tenant SETTINGS optimize_aggregation_in_order = 1
---
SELECT tenant FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m GROUP BY tenant SETTINGS optimize_aggregation_in_order = 1
---
["a"]
