p.x: SELECT a FROM events
p.y: SELECT a FROM x
p.n: WITH x AS (SELECT 1 AS a) SELECT (SELECT count() FROM y) AS c, (SELECT count() FROM x) AS d
---
WITH
`y` AS (
WITH
`x` AS (
SELECT a FROM events
)
SELECT a FROM x
), x AS (SELECT 1 AS a) SELECT (SELECT count() FROM y) AS c, (SELECT count() FROM x) AS d
---
[10, 1]
