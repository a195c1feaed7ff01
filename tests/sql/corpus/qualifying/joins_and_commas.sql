SELECT * FROM other, m LEFT ANY JOIN m AS b ON m.x = b.x, m AS c
---
SELECT * FROM other, `d5`.m LEFT ANY JOIN `d5`.m AS b ON m.x = b.x, `d5`.m AS c
