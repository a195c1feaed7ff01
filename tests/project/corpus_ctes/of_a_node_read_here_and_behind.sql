p.x: SELECT a FROM events
p.y: SELECT a FROM x
p.n: WITH x AS (SELECT a FROM x WHERE a>5) SELECT (SELECT count() FROM y) AS c, (SELECT count() FROM x) AS d
---
WITH
`x` AS (
SELECT a FROM events
),
`y` AS (
WITH
`x` AS (
SELECT a FROM events
)
SELECT a FROM x
)
SELECT * FROM (
WITH x AS (SELECT a FROM x WHERE a>5) SELECT (SELECT count() FROM y) AS c, (SELECT count() FROM x) AS d
)
---
[10, 4]
