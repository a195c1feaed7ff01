p.x: SELECT a FROM events WHERE a < 4
p.y: SELECT count() AS c FROM x
p.z: WITH x AS (SELECT 1 AS a) SELECT c, a FROM y, x
p.m: SELECT c, z.a AS a, (SELECT count() FROM x) AS d FROM z
---
WITH
`x` AS (
SELECT a FROM events WHERE a < 4
),
`z` AS (
WITH
`y` AS (
WITH
`x` AS (
SELECT a FROM events WHERE a < 4
)
SELECT count() AS c FROM x
), x AS (SELECT 1 AS a) SELECT c, a FROM y, x
)
SELECT c, z.a AS a, (SELECT count() FROM x) AS d FROM z
---
[4, 1, 4]
