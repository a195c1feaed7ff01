-- SC516 filesystemAvailable
SELECT filesystemAvailable()
