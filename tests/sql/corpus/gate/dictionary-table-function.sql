-- SC116 dictionary
SELECT * FROM dictionary('d')
