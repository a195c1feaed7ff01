SELECT settings.a, limit FROM settings, m AS order JOIN settings AS s ON s.a = settings.a
WHERE a IN settings AND b IN (SELECT a FROM settings LIMIT 1)
ORDER BY settings.a LIMIT 1 settings max_threads = 1
---
SELECT settings.a, limit FROM `d5`.settings, `d5`.m AS order JOIN `d5`.settings AS s ON s.a = settings.a
WHERE a IN `d5`.settings AND b IN (SELECT a FROM `d5`.settings LIMIT 1)
ORDER BY settings.a LIMIT 1 settings max_threads = 1
