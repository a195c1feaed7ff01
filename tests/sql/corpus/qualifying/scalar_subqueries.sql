SELECT (SELECT count() FROM m), if(EXISTS (SELECT 1 FROM m), m, 1) FROM t
---
SELECT (SELECT count() FROM `d5`.m), if(EXISTS (SELECT 1 FROM `d5`.m), m, 1) FROM t
