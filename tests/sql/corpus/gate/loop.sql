-- SC116 loop
SELECT * FROM loop(messages)
