q.x: SELECT 7 AS a
q.o: SELECT a FROM x
p.n: WITH x AS (SELECT 1 AS a) SELECT q.a AS c, x.a AS d FROM q, x
---
WITH
`q` AS (
WITH
`x` AS (
SELECT 7 AS a
)
SELECT a FROM x
), x AS (SELECT 1 AS a) SELECT q.a AS c, x.a AS d FROM q, x
---
[7, 1]
