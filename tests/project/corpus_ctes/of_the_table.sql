p.n: WITH events AS (SELECT * FROM events WHERE a > 2) SELECT count() c FROM events
---
WITH events AS (SELECT * FROM events WHERE a > 2) SELECT count() c FROM events
---
[7]
