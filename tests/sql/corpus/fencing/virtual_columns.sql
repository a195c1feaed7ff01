SELECT _part, _part_offset FROM m
---
SELECT _part, _part_offset FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
UNKNOWN_IDENTIFIER: Unknown expression identifier `_part`
