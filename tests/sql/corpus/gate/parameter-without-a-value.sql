-- SC510
SELECT * FROM {unknown:Identifier}
