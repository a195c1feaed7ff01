-- SC517 max_execution_time
SELECT a FROM messages SETTINGS max_execution_time = 0
