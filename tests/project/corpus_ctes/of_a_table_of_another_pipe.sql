q.o: SELECT count() AS a FROM events
p.n: WITH events AS (SELECT 1 AS a) SELECT q.a AS c, (SELECT count() FROM events) AS d FROM q
---
WITH
`q` AS (
SELECT * FROM view(WITH 'q.o' SELECT * FROM (
SELECT count() AS a FROM events
))
), events AS (SELECT 1 AS a) SELECT q.a AS c, (SELECT count() FROM events) AS d FROM q
---
[10, 1]
