p.x: SELECT a FROM events
p.m: WITH x AS (SELECT a FROM x WHERE a > 2) SELECT a % 2 AS k, count() AS c FROM x GROUP BY k WITH TOTALS ORDER BY k
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
WITH x AS (SELECT a FROM x WHERE a > 2) SELECT a % 2 AS k, count() AS c FROM x GROUP BY k WITH TOTALS ORDER BY k
)
---
[0, 3]
[1, 4]
