-- SC116 getMacro
SELECT getMacro('x')
