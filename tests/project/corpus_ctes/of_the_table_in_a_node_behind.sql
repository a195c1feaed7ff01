p.n: WITH events AS (SELECT * FROM events WHERE a > 2) SELECT a FROM events
p.m: SELECT count() c FROM n
---
WITH
`n` AS (
WITH events AS (SELECT * FROM events WHERE a > 2) SELECT a FROM events
)
SELECT count() c FROM n
---
[7]
