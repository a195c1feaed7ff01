SELECT 'b' AS tenant, secret FROM m WHERE tenant = 'b' ORDER BY ALL
---
SELECT 'b' AS tenant, secret FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE tenant = 'b' ORDER BY ALL ASC
---
["b", "2"]
["b", "2"]
["b", "mine0"]
["b", "mine0"]
["b", "mine1"]
["b", "mine1"]
["b", "mine1"]
["b", "mine1"]
