SELECT arrayMap(m -> m + 1, [1]), CASE WHEN x IN m THEN m ELSE m END FROM m
---
SELECT arrayMap(m -> m + 1, [1]), CASE WHEN x IN `d5`.m THEN m ELSE m END FROM `d5`.m
