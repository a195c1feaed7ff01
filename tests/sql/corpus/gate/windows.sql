-- allowed
SELECT sum(a) OVER w, max(a) OVER (ORDER BY a) FROM messages WINDOW w AS (PARTITION BY a)
