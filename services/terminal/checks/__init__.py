"""Whether what Sevengate needs can be used from here: the exchange, the stores, the destinations."""
