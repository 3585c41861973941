"""Backtests: the results of the signals over recorded bars."""

from services.analyzer.domain import numeric as numeric  # before pandas: TA-Lib then costs a sixth less
