p.n: WITH t AS (SELECT 1 AS a) SELECT a FROM t
p.m: WITH t AS (SELECT 2 AS a) SELECT n.a + t.a AS c FROM n, t
---
WITH
`n` AS (
WITH t AS (SELECT 1 AS a) SELECT a FROM t
), t AS (SELECT 2 AS a) SELECT n.a + t.a AS c FROM n, t
---
[3]
