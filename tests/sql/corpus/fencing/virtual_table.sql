SELECT _table FROM m
---
SELECT _table FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
["view"]
["view"]
["view"]
["view"]
["view"]
["view"]
["view"]
["view"]
