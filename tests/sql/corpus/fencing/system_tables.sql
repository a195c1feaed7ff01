SELECT * FROM system.parts
---
refused
---
TableNotAllowed
