-- SC515 secret
SELECT a FROM messages QUALIFY row_number() OVER (ORDER BY a) IN secret
