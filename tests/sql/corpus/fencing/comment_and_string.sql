SELECT 'FROM m', n /* FROM m */ FROM m -- FROM m
ORDER BY n
---
SELECT 'FROM m', n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY n ASC
---
["FROM m", 0]
["FROM m", 0]
["FROM m", 1]
["FROM m", 1]
["FROM m", 2]
["FROM m", 2]
["FROM m", 3]
["FROM m", 3]
