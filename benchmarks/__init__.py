"""Measurements, one file or folder a question; `make bench` runs those that need no recorded data."""
