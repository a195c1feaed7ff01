SELECT n FROM m PREWHERE toUInt32(secret) > 0
---
SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m WHERE toUInt32(secret) > 0
---
CANNOT_PARSE_TEXT: The engine refused the statement: CANNOT_PARSE_TEXT
