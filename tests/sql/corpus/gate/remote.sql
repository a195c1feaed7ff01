-- SC516 remote
SELECT * FROM remote('127.0.0.1', system.one)
