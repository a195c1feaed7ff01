SELECT m.secret FROM u ASOF JOIN m ON u.tenant = m.tenant AND u.n >= m.n ORDER BY ALL
---
SELECT m.secret FROM fencing.u ASOF INNER JOIN view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ON (u.tenant = m.tenant) AND (u.n >= m.n) ORDER BY ALL ASC
---
["2"]
["mine0"]
["mine1"]
["mine1"]
["mine1"]
