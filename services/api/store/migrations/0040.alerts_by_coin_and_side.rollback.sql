DROP INDEX alerts_by_symbol_and_side;
