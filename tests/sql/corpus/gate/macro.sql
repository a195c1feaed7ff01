-- SC516 getMacro
SELECT getMacro('x')
