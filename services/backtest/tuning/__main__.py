"""`python -m services.backtest.tuning`, which `sevengate tune` runs."""

from __future__ import annotations

from services.backtest.tuning.command import app

if __name__ == "__main__":
    app()
