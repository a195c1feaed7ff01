WITH d (n) AS (SELECT n FROM m), m AS (SELECT n FROM d) SELECT n FROM m UNION ALL SELECT n FROM d
---
refused
---
UnreadableStatement
