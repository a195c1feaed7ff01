-- SC516 dictGetOrDefault
SELECT dictGetOrDefault('d', 'a', 1, 0)
