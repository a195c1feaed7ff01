-- SC116 cluster
SELECT * FROM cluster('default', system.one)
