-- SC516 file
SELECT 'x' AS a, * APPLY (file) FROM messages
