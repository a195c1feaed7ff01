-- SC513 SET
SET readonly = 0
