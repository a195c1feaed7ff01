-- SC516 loop
SELECT * FROM loop(messages)
