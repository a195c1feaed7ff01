SELECT * FROM numbers(10) AS m, view(SELECT * FROM m) AS v
---
SELECT * FROM numbers(10) AS m, view(SELECT * FROM `d5`.m) AS v
