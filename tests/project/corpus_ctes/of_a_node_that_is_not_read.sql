p.x: SELECT a FROM events WHERE a>3
p.n: WITH x AS (SELECT 1 AS a) SELECT count() c FROM x
---
WITH x AS (SELECT 1 AS a) SELECT count() c FROM x
---
[1]
