-- allowed
SELECT x.secret, secret + 1 FROM (SELECT a AS secret FROM messages) AS x
