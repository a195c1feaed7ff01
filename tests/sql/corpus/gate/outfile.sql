-- SC514
SELECT a FROM messages INTO OUTFILE '/tmp/x'
