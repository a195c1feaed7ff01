SELECT u.n FROM u WHERE EXISTS (SELECT 1 FROM m WHERE m.n = u.n AND m.secret LIKE '%HIDDEN%')
---
SELECT u.n FROM fencing.u WHERE exists((SELECT 1 FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE (m.n = u.n) AND (m.secret LIKE '%HIDDEN%')))
---
