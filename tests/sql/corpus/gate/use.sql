-- SC113 USE
USE system
