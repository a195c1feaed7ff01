p.n: SELECT count() AS c FROM events
p.m: SELECT c AS events FROM n
---
WITH
`n` AS (
SELECT count() AS c FROM events
)
SELECT c AS events FROM n
---
[10]
