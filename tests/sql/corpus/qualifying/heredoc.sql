SELECT $$FROM m$$ FROM m
---
SELECT $$FROM m$$ FROM `d5`.m
