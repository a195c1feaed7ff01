-- SC116 joinGet
SELECT joinGet('secret', 'a', 1)
