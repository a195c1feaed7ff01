WITH tinybird AS (SELECT 1 AS a) SELECT m.a, t.c, 'FROM tinybird.x' FROM m
JOIN tinybird.calls AS t ON t.a = m.a -- tinybird.calls
LEFT JOIN (SELECT * FROM `tinybird` . "odd name") USING a
WHERE a IN tinybird.m AND in(a, tinybird.n) AND a IN (SELECT a FROM tinybird) AND tinybird.a = 1
---
WITH tinybird AS (SELECT 1 AS a) SELECT m.a, t.c, 'FROM tinybird.x' FROM `d5`.m
JOIN `d6`.calls AS t ON t.a = m.a -- tinybird.calls
LEFT JOIN (SELECT * FROM `d6` . "odd name") USING a
WHERE a IN `d6`.m AND in(a, `d6`.n) AND a IN (SELECT a FROM tinybird) AND tinybird.a = 1
