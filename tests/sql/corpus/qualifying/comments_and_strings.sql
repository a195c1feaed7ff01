SELECT 'FROM m', "m" -- FROM m
FROM /* FROM m */ m /* m */
WHERE s = 'it''s m' AND t = 'a\'b' OR u = 'm'
---
SELECT 'FROM m', "m" -- FROM m
FROM /* FROM m */ `d5`.m /* m */
WHERE s = 'it''s m' AND t = 'a\'b' OR u = 'm'
