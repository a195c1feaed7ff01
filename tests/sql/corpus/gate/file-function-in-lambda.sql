-- SC116 file
SELECT * APPLY (x -> file(x)) FROM messages
