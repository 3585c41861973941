"""Processes on this machine: kept running, ended in order, none left behind."""
