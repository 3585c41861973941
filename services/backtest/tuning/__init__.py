"""Tuning: which settings would have been chosen on earlier days, and what they were worth on later ones."""
