p.x: SELECT a FROM events
p.n: WITH x AS (SELECT * FROM x WHERE a > 2) SELECT count() c FROM x UNION ALL SELECT count() c FROM x
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
WITH x AS (SELECT * FROM x WHERE a > 2) SELECT count() c FROM x UNION ALL SELECT count() c FROM x
)
---
[7]
[7]
