-- SC116 hostName
SELECT hostName()
