-- SC516 getServerPort
SELECT getServerPort('tcp_port')
