p.n: SELECT (SELECT count() FROM (WITH events AS (SELECT * FROM events WHERE a > 2) SELECT * FROM events)) AS c, (SELECT count() FROM events) AS d
---
SELECT (SELECT count() FROM (WITH events AS (SELECT * FROM events WHERE a > 2) SELECT * FROM events)) AS c, (SELECT count() FROM events) AS d
---
[7, 10]
