SELECT count() FROM m AS x FINAL SAMPLE 1/2 OFFSET 1/4
---
SELECT count() FROM view(SELECT * FROM fencing.m FINAL SAMPLE 1 / 2 OFFSET 1 / 4 WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS x
---
[0]
