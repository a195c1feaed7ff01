-- SC516 merge
SELECT * FROM merge('.*')
