SELECT tenant, n, count() FROM m GROUP BY GROUPING SETS ((tenant), (n)) ORDER BY ALL
---
SELECT tenant, n, count() FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m GROUP BY GROUPING SETS ((tenant), (n)) ORDER BY ALL ASC
---
["", 0, 2]
["", 1, 2]
["", 2, 2]
["", 3, 2]
["a", 0, 8]
