SELECT (SELECT max(secret) FROM m), EXISTS(SELECT 1 FROM m WHERE tenant = 'b')
---
SELECT (SELECT max(secret) FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m), exists((SELECT 1 FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE tenant = 'b'))
---
["mine1", 0]
