-- SC516 catboostEvaluate
SELECT catboostEvaluate('/x', 1)
