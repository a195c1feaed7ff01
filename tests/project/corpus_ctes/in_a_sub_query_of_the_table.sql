p.n: SELECT count() c FROM (WITH events AS (SELECT * FROM events WHERE a > 2) SELECT * FROM events)
---
SELECT count() c FROM (WITH events AS (SELECT * FROM events WHERE a > 2) SELECT * FROM events)
---
[7]
