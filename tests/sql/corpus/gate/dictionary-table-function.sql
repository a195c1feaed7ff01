-- SC516 dictionary
SELECT * FROM dictionary('d')
