p.x: SELECT a FROM events
p.n: WITH y AS (SELECT * FROM x WHERE a < 8), x AS (SELECT * FROM x WHERE a > 2) SELECT count() c FROM y
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
WITH y AS (SELECT * FROM x WHERE a < 8), x AS (SELECT * FROM x WHERE a > 2) SELECT count() c FROM y
)
---
[5]
