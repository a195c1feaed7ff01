SELECT u.n FROM u PREWHERE u.n IN (SELECT n FROM m) ORDER BY u.n
---
SELECT u.n FROM fencing.u PREWHERE u.n IN (SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m) ORDER BY u.n ASC
---
[0]
[1]
[2]
[3]
