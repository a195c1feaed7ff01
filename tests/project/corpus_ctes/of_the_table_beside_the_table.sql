p.n: WITH events AS (SELECT * FROM events WHERE a > 2) SELECT a FROM events
p.m: SELECT (SELECT count() FROM n) AS c, (SELECT count() FROM events) AS d
---
WITH
`n` AS (
WITH events AS (SELECT * FROM events WHERE a > 2) SELECT a FROM events
)
SELECT (SELECT count() FROM n) AS c, (SELECT count() FROM events) AS d
---
[7, 10]
