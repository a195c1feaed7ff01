SELECT m.secret FROM m RIGHT JOIN u ON m.n = u.n PREWHERE m.n > 0
---
SELECT m.secret FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m RIGHT JOIN fencing.u ON m.n = u.n PREWHERE m.n > 0
---
ILLEGAL_PREWHERE: Storage View (table _table_function.view) does not support PREWHERE
