-- SC515 some_view
SELECT * FROM some_view
