p.x: SELECT a FROM events WHERE a > 6
p.n: SELECT count() AS c FROM events WHERE a NOT IN x
p.m: SELECT c AS x, x + 1 AS y FROM n
---
WITH
`n` AS (
SELECT * FROM view(WITH 'p.n' SELECT * FROM (
WITH
`x` AS (
SELECT a FROM events WHERE a > 6
)
SELECT count() AS c FROM events WHERE a NOT IN x
))
)
SELECT c AS x, x + 1 AS y FROM n
---
[7, 8]
