-- SC515 secret
SELECT a FROM `\x73ecret`
