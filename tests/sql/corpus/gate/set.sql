-- SC113 SET
SET readonly = 0
