-- SC516 getSetting
SELECT getSetting('readonly')
