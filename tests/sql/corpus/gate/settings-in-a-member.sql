-- SC517 max_threads
SELECT a FROM messages SETTINGS max_threads = 64 UNION ALL SELECT 1
