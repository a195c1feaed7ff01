-- SC110
/* nothing */
