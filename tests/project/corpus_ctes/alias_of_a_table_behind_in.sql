p.n: SELECT count() AS c FROM events WHERE a + 5 IN events
p.m: SELECT c, [1, 2] AS events FROM n
---
WITH
`n` AS (
SELECT * FROM view(WITH 'p.n' SELECT * FROM (
SELECT count() AS c FROM events WHERE a + 5 IN events
))
)
SELECT c, [1, 2] AS events FROM n
---
[5, [1,2]]
