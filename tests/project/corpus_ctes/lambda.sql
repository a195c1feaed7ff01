p.x: SELECT a FROM events
p.m: WITH b -> b * 2 AS twice, x AS (SELECT twice(a) AS a FROM x) SELECT max(a) AS c FROM x
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
WITH b -> b * 2 AS twice, x AS (SELECT twice(a) AS a FROM x) SELECT max(a) AS c FROM x
)
---
[18]
