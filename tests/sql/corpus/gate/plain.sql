-- allowed
SELECT count() FROM messages WHERE a > 1 GROUP BY a ORDER BY a LIMIT 10
