-- SC516 aiGenerate
SELECT aiGenerate('x', 'y')
