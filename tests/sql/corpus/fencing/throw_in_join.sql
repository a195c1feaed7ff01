SELECT m.n FROM m JOIN u ON m.n = u.n AND NOT throwIf(m.tenant = 'b') ORDER BY ALL
---
SELECT m.n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m INNER JOIN fencing.u ON (m.n = u.n) AND (NOT throwIf(m.tenant = 'b')) ORDER BY ALL ASC
---
[0]
[0]
[1]
[1]
[2]
[2]
[3]
[3]
