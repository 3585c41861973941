"""Which scans of a coin matter, and what comes of them."""
