p.x: SELECT a FROM events
p.n: SELECT count() c FROM (WITH x AS (SELECT * FROM x WHERE a > 2) SELECT * FROM x)
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT count() c FROM (WITH x AS (SELECT * FROM x WHERE a > 2) SELECT * FROM x)
---
[7]
