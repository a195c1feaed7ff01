-- SC116 mergeTreeIndex
SELECT * FROM mergeTreeIndex(currentDatabase(), secret)
