p.x: SELECT a FROM events
p.n: WITH (SELECT max(a) FROM x) AS x SELECT x AS c
---
WITH
`x` AS (
SELECT a FROM events
), (SELECT max(a) FROM x) AS x SELECT x AS c
---
[9]
