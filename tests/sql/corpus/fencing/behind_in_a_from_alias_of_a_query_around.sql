SELECT n FROM only_numbers AS m WHERE n IN (SELECT n FROM only_numbers WHERE n IN (SELECT n FROM m))
---
SELECT n FROM fencing.only_numbers AS m WHERE n IN (SELECT n FROM fencing.only_numbers WHERE n IN (SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m))
---
[1]
[3]
