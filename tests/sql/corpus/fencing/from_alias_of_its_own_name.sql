SELECT m.secret, other.n FROM m AS m, m AS other ORDER BY ALL LIMIT 2
---
SELECT m.secret, other.n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m, m AS other ORDER BY ALL ASC LIMIT 2
---
["2", 0]
["2", 0]
