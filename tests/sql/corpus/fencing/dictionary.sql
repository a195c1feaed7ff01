SELECT dictGet('m', 'secret', 1)
---
refused
---
FunctionNotAllowed
