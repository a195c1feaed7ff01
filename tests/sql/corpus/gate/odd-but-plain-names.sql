-- allowed
SELECT `a` AS `x\n FROM secret`, "a" AS "y""z" FROM `messages`
