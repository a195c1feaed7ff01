WITH m AS (SELECT * FROM d), d AS (SELECT * FROM m) SELECT * FROM m
---
WITH m AS (SELECT * FROM d), d AS (SELECT * FROM m) SELECT * FROM m
---
UNKNOWN_TABLE: The engine refused the statement: UNKNOWN_TABLE
