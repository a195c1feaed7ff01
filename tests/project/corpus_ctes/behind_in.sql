p.x: SELECT a FROM events
p.n: WITH x AS (SELECT a FROM x WHERE a>5) SELECT count() c FROM events WHERE a IN x
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
WITH x AS (SELECT a FROM x WHERE a>5) SELECT count() c FROM events WHERE a IN x
)
---
[4]
