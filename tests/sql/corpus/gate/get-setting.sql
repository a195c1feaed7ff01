-- SC116 getSetting
SELECT getSetting('readonly')
