SELECT * FROM nowhere
---
SELECT * FROM nowhere
---
UNKNOWN_TABLE: The engine refused the statement: UNKNOWN_TABLE
