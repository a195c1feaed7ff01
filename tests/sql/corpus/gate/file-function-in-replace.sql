-- SC116 file
SELECT * REPLACE (file('x') AS a) FROM messages
