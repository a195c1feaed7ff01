-- SC116 __getScalar
SELECT __getScalar('x')
