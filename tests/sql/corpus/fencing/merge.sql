SELECT * FROM merge('fencing', '.*')
---
refused
---
FunctionNotAllowed
