WITH (a, b) -> 1 AS equals SELECT secret FROM m ORDER BY ALL
---
WITH (a, b) -> 1 AS equals SELECT secret FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY ALL ASC
---
["2"]
["2"]
["mine0"]
["mine0"]
["mine1"]
["mine1"]
["mine1"]
["mine1"]
