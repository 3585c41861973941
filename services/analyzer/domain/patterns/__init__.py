"""Candlestick patterns, one file each."""
