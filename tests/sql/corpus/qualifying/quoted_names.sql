SELECT * FROM `odd name` JOIN "odd name" AS o ON 1 JOIN `m` USING (k)
---
SELECT * FROM `d5`.`odd name` JOIN `d5`."odd name" AS o ON 1 JOIN `d5`.`m` USING (k)
