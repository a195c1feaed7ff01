p.x: SELECT a FROM events
p.n: WITH t AS (WITH x AS (SELECT a FROM x WHERE a>5) SELECT * FROM x) SELECT count() c, (SELECT count() FROM x) d FROM t
---
WITH
`x` AS (
SELECT a FROM events
), t AS (WITH x AS (SELECT a FROM x WHERE a>5) SELECT * FROM x) SELECT count() c, (SELECT count() FROM x) d FROM t
---
[4, 10]
