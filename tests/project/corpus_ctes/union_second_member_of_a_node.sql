p.x: SELECT a FROM events
p.n: SELECT count() c FROM x UNION ALL WITH x AS (SELECT * FROM x WHERE a > 2) SELECT count() c FROM x
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
SELECT count() c FROM x UNION ALL WITH x AS (SELECT * FROM x WHERE a > 2) SELECT count() c FROM x
)
---
[10]
[7]
