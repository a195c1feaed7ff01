SELECT origin.visits, origin.n FROM t AS origin WHERE 1 IN origin.visits
---
SELECT origin.visits, origin.n FROM t AS origin WHERE 1 IN origin.visits
