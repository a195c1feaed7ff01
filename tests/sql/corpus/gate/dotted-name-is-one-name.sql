-- SC515 other.messages
SELECT a FROM `other.messages`
