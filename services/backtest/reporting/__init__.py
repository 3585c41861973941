"""A backtest as text, as JSON and as a page with pictures."""
