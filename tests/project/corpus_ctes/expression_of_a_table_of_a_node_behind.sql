p.n: SELECT count() AS c FROM events WHERE a IN (SELECT a FROM events WHERE a < 3)
p.m: WITH 5 AS events SELECT c + events AS c FROM n
---
WITH
`n` AS (
SELECT count() AS c FROM events WHERE a IN (SELECT a FROM events WHERE a < 3)
), 5 AS events SELECT c + events AS c FROM n
---
[8]
