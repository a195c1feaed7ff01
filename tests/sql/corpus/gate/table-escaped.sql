-- SC115 secret
SELECT a FROM `\x73ecret`
