"""`python -m services.backtest`, which `sevengate backtest` runs."""

from __future__ import annotations

from services.backtest.command import app

if __name__ == "__main__":
    app()
