-- SC116 file
SELECT 'x' AS a, * APPLY (file) FROM messages
