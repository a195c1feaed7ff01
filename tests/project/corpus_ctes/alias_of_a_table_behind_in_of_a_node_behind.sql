p.first: SELECT a FROM events AS f WHERE a IN f AND a > 6
p.last: WITH x -> 1 AS f SELECT a, f(a) AS one FROM first
---
WITH
`first` AS (
SELECT * FROM view(WITH 'p.first' SELECT * FROM (
SELECT a FROM events AS f WHERE a IN f AND a > 6
))
), x -> 1 AS f SELECT a, f(a) AS one FROM first
---
[7, 1]
[8, 1]
[9, 1]
