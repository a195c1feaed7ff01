-- SC516 url
SELECT * FROM url('http://example.com/', 'LineAsString')
