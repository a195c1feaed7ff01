-- SC516 mergeTreeIndex
SELECT * FROM mergeTreeIndex(currentDatabase(), secret)
