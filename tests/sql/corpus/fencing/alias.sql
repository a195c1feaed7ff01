SELECT b.n FROM m AS b WHERE b.n > 0 ORDER BY b.n
---
SELECT b.n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS b WHERE b.n > 0 ORDER BY b.n ASC
---
[1]
[1]
[2]
[2]
[3]
[3]
