-- SC516 addressToSymbol
SELECT addressToSymbol(1)
