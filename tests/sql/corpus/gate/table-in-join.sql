-- SC115 secret
SELECT a FROM messages JOIN secret USING a
