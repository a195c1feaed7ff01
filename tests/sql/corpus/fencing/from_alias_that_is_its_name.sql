SELECT secret, n FROM u AS m, m AS other ORDER BY ALL LIMIT 2
---
SELECT secret, n FROM fencing.u AS m, m AS other ORDER BY ALL ASC LIMIT 2
---
["open", 0]
["open", 0]
