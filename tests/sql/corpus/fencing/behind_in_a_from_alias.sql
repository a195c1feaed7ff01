SELECT n FROM only_numbers AS m WHERE n IN m
---
SELECT n FROM fencing.only_numbers AS m WHERE n IN (m)
---
[1]
[3]
