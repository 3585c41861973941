"""Coin-months as rq jobs: any number of machines that share the folders analyse them (docs/adr/0035)."""
