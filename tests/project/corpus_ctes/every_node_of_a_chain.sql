p.n1: WITH events AS (SELECT a FROM events WHERE a > 0) SELECT a FROM events
p.n2: WITH events AS (SELECT a FROM events WHERE a > 2) SELECT events.a AS a FROM events JOIN n1 USING a
p.n3: WITH events AS (SELECT a FROM events WHERE a < 8) SELECT events.a AS a FROM events JOIN n2 USING a
p.n4: WITH events AS (SELECT a FROM events) SELECT count() AS c FROM events JOIN n3 USING a
---
WITH
`n3` AS (
SELECT * FROM view(WITH 'p.n3' SELECT * FROM (
WITH
`n2` AS (
SELECT * FROM view(WITH 'p.n2' SELECT * FROM (
WITH
`n1` AS (
SELECT * FROM view(WITH 'p.n1' SELECT * FROM (
WITH events AS (SELECT a FROM events WHERE a > 0) SELECT a FROM events
))
), events AS (SELECT a FROM events WHERE a > 2) SELECT events.a AS a FROM events JOIN n1 USING a
))
), events AS (SELECT a FROM events WHERE a < 8) SELECT events.a AS a FROM events JOIN n2 USING a
))
), events AS (SELECT a FROM events) SELECT count() AS c FROM events JOIN n3 USING a
---
[5]
