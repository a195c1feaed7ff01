-- SC116 getServerPort
SELECT getServerPort('tcp_port')
