SELECT m.secret FROM m LEFT JOIN u ON m.n = u.n PREWHERE m.n > 0
---
SELECT m.secret FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m LEFT JOIN fencing.u ON m.n = u.n WHERE m.n > 0
---
["mine1"]
["2"]
["mine1"]
["mine1"]
["2"]
["mine1"]
