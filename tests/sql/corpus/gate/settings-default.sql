-- SC517 readonly
SELECT a FROM messages SETTINGS readonly = DEFAULT
