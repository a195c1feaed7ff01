SELECT * FROM (m AS a JOIN m AS b ON a.x = b.x)
---
SELECT * FROM (`d5`.m AS a JOIN `d5`.m AS b ON a.x = b.x)
