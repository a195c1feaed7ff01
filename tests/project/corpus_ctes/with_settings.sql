p.x: SELECT a FROM events
p.n: WITH x AS (SELECT a FROM x WHERE a>5) SELECT count() c FROM x SETTINGS max_threads=1
---
WITH
`x` AS (
SELECT a FROM events
)
SELECT * FROM (
WITH x AS (SELECT a FROM x WHERE a>5) SELECT count() c FROM x SETTINGS max_threads=1
)
---
[4]
