-- SC116 catboostEvaluate
SELECT catboostEvaluate('/x', 1)
