SELECT secret FROM m PREWHERE n > 0
---
SELECT secret FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE n > 0
---
["mine1"]
["2"]
["mine1"]
["mine1"]
["2"]
["mine1"]
