q.one: WITH ids AS (SELECT a FROM events WHERE a < 3) SELECT a FROM events WHERE a IN (ids)
p.first: SELECT a FROM q
p.second: SELECT a, (SELECT [9] AS ids) AS b FROM first
p.third: SELECT a, b, [a] AS ids FROM second
---
WITH
`second` AS (
SELECT * FROM view(WITH 'p.second' SELECT * FROM (
WITH
`first` AS (
SELECT * FROM view(WITH 'p.first' SELECT * FROM (
WITH
`q` AS (
WITH ids AS (SELECT a FROM events WHERE a < 3) SELECT a FROM events WHERE a IN (ids)
)
SELECT a FROM q
))
)
SELECT a, (SELECT [9] AS ids) AS b FROM first
))
)
SELECT a, b, [a] AS ids FROM second
---
[0, [9], [0]]
[1, [9], [1]]
[2, [9], [2]]
