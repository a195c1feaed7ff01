SELECT * FROM other.m JOIN system.m ON m.x
---
SELECT * FROM other.m JOIN system.m ON m.x
