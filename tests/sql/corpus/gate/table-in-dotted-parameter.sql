-- SC515 other.secret
SELECT a FROM {database:Identifier}.{hidden:Identifier}
