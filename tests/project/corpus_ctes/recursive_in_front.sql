p.n: SELECT a FROM events
p.m: WITH RECURSIVE t AS (SELECT 1 AS i UNION ALL SELECT i+1 FROM t WHERE i < 5) SELECT sum(i) c, (SELECT count() FROM n) d FROM t
---
WITH RECURSIVE
`n` AS (
SELECT a FROM events
), t AS (SELECT 1 AS i UNION ALL SELECT i+1 FROM t WHERE i < 5) SELECT sum(i) c, (SELECT count() FROM n) d FROM t
---
[15, 10]
