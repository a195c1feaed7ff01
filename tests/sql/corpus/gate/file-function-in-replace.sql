-- SC516 file
SELECT * REPLACE (file('x') AS a) FROM messages
