SELECT n, lagInFrame(secret) OVER (ORDER BY n DESC) FROM m ORDER BY n
---
SELECT n, lagInFrame(secret) OVER (ORDER BY n DESC) FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY n ASC
---
[0, "mine1"]
[0, "mine0"]
[1, "2"]
[1, "mine1"]
[2, "mine1"]
[2, "2"]
[3, ""]
[3, "mine1"]
