-- SC115 secret
SELECT a FROM {hidden:Identifier}
