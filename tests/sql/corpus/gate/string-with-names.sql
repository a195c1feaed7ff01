-- allowed
SELECT 'FROM secret', $x$ FROM secret; DROP TABLE secret $x$ FROM messages
