SELECT m.n, m.secret FROM m ORDER BY m.n
---
SELECT m.n, m.secret FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY m.n ASC
---
[0, "mine0"]
[0, "mine0"]
[1, "mine1"]
[1, "mine1"]
[2, "2"]
[2, "2"]
[3, "mine1"]
[3, "mine1"]
