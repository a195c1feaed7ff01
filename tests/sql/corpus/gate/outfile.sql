-- SC114
SELECT a FROM messages INTO OUTFILE '/tmp/x'
