p.n: WITH n AS (SELECT a FROM events) SELECT count() c FROM n
---
WITH n AS (SELECT a FROM events) SELECT count() c FROM n
---
[10]
