-- SC516 joinGet
SELECT joinGet('secret', 'a', 1)
