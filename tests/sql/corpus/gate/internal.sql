-- SC516 __getScalar
SELECT __getScalar('x')
