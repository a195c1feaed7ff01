SELECT CASE WHEN tenant = 'b' THEN secret ELSE 'mine' END FROM m ORDER BY ALL
---
SELECT multiIf(tenant = 'b', secret, 'mine') FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY ALL ASC
---
["mine"]
["mine"]
["mine"]
["mine"]
["mine"]
["mine"]
["mine"]
["mine"]
