p.first: WITH ids AS (SELECT a FROM events WHERE a < 3) SELECT a FROM events WHERE a IN ids
p.second: SELECT a, a + 100 AS ids FROM first
---
WITH
`first` AS (
SELECT * FROM view(WITH 'p.first' SELECT * FROM (
WITH ids AS (SELECT a FROM events WHERE a < 3) SELECT a FROM events WHERE a IN ids
))
)
SELECT a, a + 100 AS ids FROM first
---
[0, 100]
[1, 101]
[2, 102]
