-- SC115 other.messages
SELECT a FROM other.messages
