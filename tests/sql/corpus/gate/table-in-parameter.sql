-- SC515 secret
SELECT a FROM {hidden:Identifier}
