SELECT x IN n FROM n
---
SELECT x IN n FROM `d5`.n
