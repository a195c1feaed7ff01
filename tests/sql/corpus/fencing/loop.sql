SELECT * FROM loop(m)
---
refused
---
FunctionNotAllowed
