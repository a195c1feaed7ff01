p.x: SELECT a FROM events
p.n: WITH x (b) AS (SELECT a FROM x WHERE a>5) SELECT count() c FROM x WHERE b > 0
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
WITH x (b) AS (SELECT a FROM x WHERE a>5) SELECT count() c FROM x WHERE b > 0
)
---
[4]
