SELECT * FROM fencing.m
---
refused
---
TableNotAllowed
