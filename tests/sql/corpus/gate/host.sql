-- SC516 hostName
SELECT hostName()
