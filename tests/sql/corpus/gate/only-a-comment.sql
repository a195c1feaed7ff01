-- SC510
/* nothing */
