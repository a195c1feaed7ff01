SELECT u.secret FROM m AS u ORDER BY u.n
---
SELECT u.secret FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS u ORDER BY u.n ASC
---
["mine0"]
["mine0"]
["mine1"]
["mine1"]
["2"]
["2"]
["mine1"]
["mine1"]
