-- SC516 hasColumnInTable
SELECT hasColumnInTable('db', 'secret', 'a')
