-- SC517 max_threads
SELECT a FROM (SELECT a FROM messages SETTINGS max_threads = 64)
