SELECT n, secret FROM m FINAL ORDER BY n
---
SELECT n, secret FROM view(WITH '{"final": true}' SELECT * FROM fencing.m FINAL WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY n ASC
---
[0, "mine0"]
[1, "mine1"]
[2, "2"]
[3, "mine1"]
