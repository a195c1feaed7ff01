WITH m (x, y) AS (SELECT 1, 2) SELECT * FROM m
---
WITH m (x, y) AS (SELECT 1, 2) SELECT * FROM m
