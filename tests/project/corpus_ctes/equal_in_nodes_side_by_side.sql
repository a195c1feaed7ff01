p.n: WITH t AS (SELECT 1 AS a) SELECT a FROM t
p.o: WITH t AS (SELECT 5 AS a) SELECT a FROM t
p.m: SELECT n.a + o.a AS c FROM n, o
---
WITH
`n` AS (
WITH t AS (SELECT 1 AS a) SELECT a FROM t
),
`o` AS (
WITH t AS (SELECT 5 AS a) SELECT a FROM t
)
SELECT n.a + o.a AS c FROM n, o
---
[6]
