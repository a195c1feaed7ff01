-- allowed
SELECT ((a + (1))) AS x, (a) AS y, (SELECT (1)) AS z FROM messages WHERE ((a > 1) AND (((a)) < (3)))
