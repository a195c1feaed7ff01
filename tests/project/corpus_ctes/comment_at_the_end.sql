p.x: SELECT a FROM events
p.m: WITH x AS (SELECT a FROM x WHERE a > 2) SELECT count() AS c FROM x; -- of x
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
WITH x AS (SELECT a FROM x WHERE a > 2) SELECT count() AS c FROM x
)
---
[7]
