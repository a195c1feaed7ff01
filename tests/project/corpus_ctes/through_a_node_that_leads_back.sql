p.x: SELECT a FROM events
p.y: SELECT a FROM x WHERE a > 1
p.n: WITH x AS (SELECT a FROM y) SELECT (SELECT count() FROM x) c
---
WITH
`y` AS (
WITH
`x` AS (
SELECT a FROM events
)
SELECT a FROM x WHERE a > 1
), x AS (SELECT a FROM y) SELECT (SELECT count() FROM x) c
---
[8]
