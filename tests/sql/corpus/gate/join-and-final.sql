-- allowed
SELECT m.a FROM messages AS m FINAL ANY LEFT JOIN users USING (a) WHERE m.a IN (1, 2)
