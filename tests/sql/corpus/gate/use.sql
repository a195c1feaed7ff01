-- SC513 USE
USE system
