-- SC517 param_x
SELECT {x:UInt8} FROM messages SETTINGS param_x = 1
