-- SC516 cluster
SELECT * FROM cluster('default', system.one)
