-- allowed
SELECT a FROM messages SAMPLE 1/10 OFFSET 1/2
