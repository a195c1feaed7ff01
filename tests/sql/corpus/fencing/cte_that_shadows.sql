WITH m AS (SELECT * FROM m WHERE n > 0) SELECT secret FROM m ORDER BY ALL
---
WITH m AS (SELECT * FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE n > 0) SELECT secret FROM m ORDER BY ALL ASC
---
["2"]
["2"]
["mine1"]
["mine1"]
["mine1"]
["mine1"]
