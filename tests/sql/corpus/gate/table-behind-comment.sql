-- SC515 secret
SELECT a FROM/**/secret--

