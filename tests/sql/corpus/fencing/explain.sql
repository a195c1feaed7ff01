SELECT * FROM (EXPLAIN SELECT * FROM m)
---
refused
---
FunctionNotAllowed
