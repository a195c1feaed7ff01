-- SC515 other.messages
SELECT a FROM messages WHERE a IN other.messages
