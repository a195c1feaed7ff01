-- SC116 addressToSymbol
SELECT addressToSymbol(1)
