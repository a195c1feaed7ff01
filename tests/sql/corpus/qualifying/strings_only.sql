SELECT 'a' FROM m WHERE x = 'FROM m' AND y = '' AND z = 'é'
---
SELECT 'a' FROM `d5`.m WHERE x = 'FROM m' AND y = '' AND z = 'é'
