"""A leased stage that settles scans: the holder of the lease reads a scan's messages and commits their results.

A service adds its own part: which messages belong to a scan, when a scan can be taken, and its results.
"""
