p.n: SELECT count() AS c FROM events_quarantine
p.m: WITH events_quarantine AS (SELECT 1) SELECT c FROM n
---
WITH
`n` AS (
SELECT * FROM view(WITH 'p.n' SELECT * FROM (
SELECT count() AS c FROM events_quarantine
))
), events_quarantine AS (SELECT 1) SELECT c FROM n
---
[0]
