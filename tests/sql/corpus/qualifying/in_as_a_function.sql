SELECT in(m, m), notIn(x, m) FROM t
---
SELECT in(m, `d5`.m), notIn(x, `d5`.m) FROM t
