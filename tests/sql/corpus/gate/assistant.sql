-- SC116 aiGenerate
SELECT aiGenerate('x', 'y')
