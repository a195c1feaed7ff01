p.x: SELECT a FROM events WHERE a>3
p.n: WITH x AS (SELECT * FROM x WHERE a < 9) SELECT count() c FROM x
---
WITH
`x` AS (
SELECT a FROM events WHERE a>3
)
SELECT * FROM (
WITH x AS (SELECT * FROM x WHERE a < 9) SELECT count() c FROM x
)
---
[5]
