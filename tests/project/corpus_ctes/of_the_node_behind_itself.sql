p.n: WITH n AS (SELECT a FROM events) SELECT a FROM n
p.m: SELECT count() c FROM n
---
WITH
`n` AS (
WITH n AS (SELECT a FROM events) SELECT a FROM n
)
SELECT count() c FROM n
---
[10]
