SELECT extract(DAY FROM m), trim(BOTH 'a' FROM m), substring(m FROM 2), a IS NOT DISTINCT FROM m FROM m
---
SELECT extract(DAY FROM m), trim(BOTH 'a' FROM m), substring(m FROM 2), a IS NOT DISTINCT FROM m FROM `d5`.m
