SELECT secret FROM m PREWHERE n > 0 WHERE secret != ''
---
SELECT secret FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE and(n > 0, secret != '')
---
["mine1"]
["2"]
["mine1"]
["mine1"]
["2"]
["mine1"]
