-- SC116 merge
SELECT * FROM merge('.*')
