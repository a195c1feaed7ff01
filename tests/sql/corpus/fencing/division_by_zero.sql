SELECT intDiv(1, n - 101) AS d FROM m ORDER BY d
---
SELECT intDiv(1, n - 101) AS d FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY d ASC
---
[0]
[0]
[0]
[0]
[0]
[0]
[0]
[0]
