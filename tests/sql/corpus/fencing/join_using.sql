SELECT m.secret, u.label FROM m JOIN u USING (n) ORDER BY n
---
SELECT m.secret, u.label FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m INNER JOIN fencing.u USING (n) ORDER BY n ASC
---
["mine0", "0"]
["mine0", "0"]
["mine1", "1"]
["mine1", "1"]
["2", "2"]
["2", "2"]
["mine1", "3"]
["mine1", "3"]
