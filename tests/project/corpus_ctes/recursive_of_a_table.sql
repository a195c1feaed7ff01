p.m: WITH RECURSIVE events AS (SELECT toUInt64(1) AS i UNION ALL SELECT i+1 FROM events WHERE i < 5) SELECT sum(i) c FROM events
---
WITH RECURSIVE events AS (SELECT toUInt64(1) AS i UNION ALL SELECT i+1 FROM events WHERE i < 5) SELECT sum(i) c FROM events
---
[15]
