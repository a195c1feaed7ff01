-- SC116 file
SELECT * FROM file('/etc/passwd')
