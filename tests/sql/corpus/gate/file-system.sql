-- SC116 filesystemAvailable
SELECT filesystemAvailable()
