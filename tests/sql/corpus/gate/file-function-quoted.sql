-- SC516 file
SELECT `file`('/etc/passwd')
