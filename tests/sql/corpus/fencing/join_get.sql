SELECT joinGet('m', 'secret', 1)
---
refused
---
FunctionNotAllowed
