WITH (SELECT max(n) FROM m) AS top SELECT n FROM m WHERE n = top
---
WITH (SELECT max(n) FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m) AS `top` SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE n = `top`
---
[3]
[3]
