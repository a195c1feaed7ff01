-- SC110
SELECT * FROM {unknown:Identifier}
