r.o: SELECT count() AS c FROM events
q.o: SELECT c FROM r
p.m: WITH r AS (SELECT 1 AS c) SELECT q.c AS c, r.c AS d FROM q, r
---
WITH
`q` AS (
WITH
`r` AS (
SELECT count() AS c FROM events
)
SELECT c FROM r
), r AS (SELECT 1 AS c) SELECT q.c AS c, r.c AS d FROM q, r
---
[10, 1]
