SELECT label FROM u WHERE in(n, (SELECT n FROM m)) ORDER BY ALL
---
SELECT label FROM fencing.u WHERE in(n, (SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m)) ORDER BY ALL ASC
---
["0"]
["1"]
["2"]
["3"]
