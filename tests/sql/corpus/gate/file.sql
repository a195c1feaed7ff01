-- SC516 file
SELECT * FROM file('/etc/passwd')
