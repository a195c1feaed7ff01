p.x: SELECT a FROM events
p.y: SELECT a FROM events WHERE a < 3
p.n: WITH x AS (SELECT a FROM x WHERE a>5), y AS (SELECT a FROM y WHERE a>1) SELECT (SELECT count() FROM x) c, (SELECT count() FROM y) d
---
WITH
`x` AS (
SELECT a FROM events
),
`y` AS (
SELECT a FROM events WHERE a < 3
)
SELECT * FROM (
WITH x AS (SELECT a FROM x WHERE a>5), y AS (SELECT a FROM y WHERE a>1) SELECT (SELECT count() FROM x) c, (SELECT count() FROM y) d
)
---
[4, 1]
