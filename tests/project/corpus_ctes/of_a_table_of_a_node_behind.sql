p.n: SELECT count() AS c FROM events
p.m: WITH events AS (SELECT 1 AS a) SELECT n.c AS c, (SELECT count() FROM events) AS d FROM n
---
WITH
`n` AS (
SELECT * FROM view(WITH 'p.n' SELECT * FROM (
SELECT count() AS c FROM events
))
), events AS (SELECT 1 AS a) SELECT n.c AS c, (SELECT count() FROM events) AS d FROM n
---
[10, 1]
