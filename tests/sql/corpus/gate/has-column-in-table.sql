-- SC116 hasColumnInTable
SELECT hasColumnInTable('db', 'secret', 'a')
