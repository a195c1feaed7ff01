SELECT hasColumnInTable('fencing', 'm', 'secret')
---
refused
---
FunctionNotAllowed
