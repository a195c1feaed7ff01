SELECT a FROM m WHERE m.a = 1 ORDER BY m.b
---
SELECT a FROM `d5`.m WHERE m.a = 1 ORDER BY m.b
