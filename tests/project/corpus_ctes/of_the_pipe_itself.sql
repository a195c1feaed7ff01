p.n: WITH p AS (SELECT a FROM events) SELECT count() c FROM p
---
WITH p AS (SELECT a FROM events) SELECT count() c FROM p
---
[10]
