SELECT n FROM m WHERE n IN only_numbers ORDER BY n
---
SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE n IN (fencing.only_numbers) ORDER BY n ASC
---
[1]
[1]
[3]
[3]
