q.o: SELECT a FROM events WHERE a>4
p.n: WITH q AS (SELECT a FROM q WHERE a<8) SELECT count() c FROM q
---
WITH
`q` AS (
SELECT a FROM events WHERE a>4
)
SELECT * FROM (
WITH q AS (SELECT a FROM q WHERE a<8) SELECT count() c FROM q
)
---
[3]
