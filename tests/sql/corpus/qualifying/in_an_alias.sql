WITH [1, 2] AS m SELECT x IN m FROM m
---
WITH [1, 2] AS m SELECT x IN m FROM `d5`.m
