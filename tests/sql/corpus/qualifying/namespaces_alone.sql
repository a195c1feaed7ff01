SELECT * FROM tinybird.calls, tinybird.m UNION ALL SELECT * FROM view(SELECT * FROM tinybird.calls)
---
SELECT * FROM `d6`.calls, `d6`.m UNION ALL SELECT * FROM view(SELECT * FROM `d6`.calls)
