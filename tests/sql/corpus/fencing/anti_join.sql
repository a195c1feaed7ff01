SELECT u.n FROM u LEFT ANTI JOIN m USING (n) ORDER BY ALL
---
SELECT u.n FROM fencing.u ANTI LEFT JOIN view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m USING (n) ORDER BY ALL ASC
---
[4]
