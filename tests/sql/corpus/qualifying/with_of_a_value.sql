WITH 5 AS m, (SELECT max(x) FROM m) AS top SELECT x FROM m WHERE x = top
---
WITH 5 AS m, (SELECT max(x) FROM `d5`.m) AS top SELECT x FROM `d5`.m WHERE x = top
