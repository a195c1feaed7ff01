p.n: SELECT count() c FROM events UNION ALL WITH events AS (SELECT * FROM events WHERE a > 2) SELECT count() c FROM events
---
SELECT count() c FROM events UNION ALL WITH events AS (SELECT * FROM events WHERE a > 2) SELECT count() c FROM events
---
[7]
[10]
