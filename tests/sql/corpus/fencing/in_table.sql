SELECT label FROM u WHERE (tenant, secret, n, tags) IN m
---
SELECT label FROM fencing.u WHERE (tenant, secret, n, tags) IN (SELECT * FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615))
---
