-- SC116 file
SELECT `file`('/etc/passwd')
