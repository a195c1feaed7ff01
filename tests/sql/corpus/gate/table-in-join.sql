-- SC515 secret
SELECT a FROM messages JOIN secret USING a
