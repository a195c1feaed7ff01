SELECT topK(10)(secret), quantile(0.99)(n) FROM m
---
SELECT topK(10)(secret), quantile(0.99)(n) FROM view(SELECT * FROM fencing.m WHERE (tenant = 'a') OR (tenant = 'of nobody') LIMIT 18446744073709551615) AS m
---
[["mine1","mine0","2"], 3]
