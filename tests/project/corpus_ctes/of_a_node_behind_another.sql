p.x: SELECT a FROM events
p.y: SELECT a FROM x
p.n: WITH x AS (SELECT a FROM y WHERE a > 2) SELECT count() c FROM x
---
WITH
`y` AS (
WITH
`x` AS (
SELECT a FROM events
)
SELECT a FROM x
), x AS (SELECT a FROM y WHERE a > 2) SELECT count() c FROM x
---
[7]
