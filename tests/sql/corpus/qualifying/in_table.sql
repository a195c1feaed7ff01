SELECT x IN m, y GLOBAL NOT IN m, z IN (m), (a, b) IN (SELECT a, b FROM m) FROM t WHERE x IN (m, 2) AND y IN (1)
---
SELECT x IN `d5`.m, y GLOBAL NOT IN `d5`.m, z IN (`d5`.m), (a, b) IN (SELECT a, b FROM `d5`.m) FROM t WHERE x IN (m, 2) AND y IN (1)
