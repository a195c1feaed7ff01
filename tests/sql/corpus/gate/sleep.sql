-- SC516 sleepEachRow
SELECT sleepEachRow(3) FROM numbers(100)
