SELECT n FROM m ORDER BY n WITH FILL FROM 0 TO 4
---
SELECT n FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m ORDER BY n ASC WITH FILL FROM 0 TO 4
---
[0]
[0]
[1]
[1]
[2]
[2]
[3]
[3]
