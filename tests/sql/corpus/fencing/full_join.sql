SELECT m.secret, u.label FROM m FULL JOIN u USING (n) ORDER BY ALL
---
SELECT m.secret, u.label FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m FULL OUTER JOIN fencing.u USING (n) ORDER BY ALL ASC
---
["", "4"]
["2", "2"]
["2", "2"]
["mine0", "0"]
["mine0", "0"]
["mine1", "1"]
["mine1", "1"]
["mine1", "3"]
["mine1", "3"]
