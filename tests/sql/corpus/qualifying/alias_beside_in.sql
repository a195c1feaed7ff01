WITH a AS (SELECT one AS m, count(two AS `odd name`) FROM t GROUP BY one),
b AS (SELECT one FROM t WHERE one IN m OR two IN `odd name`)
SELECT * FROM a JOIN b USING one WHERE a.m IN m
---
WITH a AS (SELECT one AS m, count(two AS `odd name`) FROM t GROUP BY one),
b AS (SELECT one FROM t WHERE one IN `d5`.m OR two IN `d5`.`odd name`)
SELECT * FROM a JOIN b USING one WHERE a.m IN `d5`.m
