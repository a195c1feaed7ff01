SELECT u.n, m.n FROM m AS u, u AS m ORDER BY ALL LIMIT 2
---
SELECT u.n, m.n FROM m AS u, fencing.u AS m ORDER BY ALL ASC LIMIT 2
---
[0, 0]
[0, 1]
