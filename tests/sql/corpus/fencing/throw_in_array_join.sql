SELECT t FROM m ARRAY JOIN arrayMap(x -> throwIf(x = 'y', x), tags) AS t ORDER BY ALL
---
SELECT t FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ARRAY JOIN arrayMap(x -> throwIf(x = 'y', x), tags) AS t ORDER BY ALL ASC
---
ILLEGAL_COLUMN: The engine refused the statement: ILLEGAL_COLUMN
