-- SC516 file
SELECT * APPLY (x -> file(x)) FROM messages
