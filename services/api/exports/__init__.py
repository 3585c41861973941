"""Exports that are too long to wait for: rq jobs and the process that works through them."""
