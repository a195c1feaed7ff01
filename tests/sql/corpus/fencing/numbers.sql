SELECT m.secret FROM numbers(3) AS k JOIN m ON k.number = m.n ORDER BY ALL
---
SELECT m.secret FROM numbers(3) AS k INNER JOIN view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ON k.number = m.n ORDER BY ALL ASC
---
["2"]
["2"]
["mine0"]
["mine0"]
["mine1"]
["mine1"]
