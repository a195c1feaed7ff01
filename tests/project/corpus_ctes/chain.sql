p.x: SELECT a FROM events
p.n: WITH x AS (SELECT * FROM x WHERE a > 2), y AS (SELECT * FROM x WHERE a < 8) SELECT count() c FROM y
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
WITH x AS (SELECT * FROM x WHERE a > 2), y AS (SELECT * FROM x WHERE a < 8) SELECT count() c FROM y
)
---
[5]
