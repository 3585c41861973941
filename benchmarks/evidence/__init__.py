"""What the signals were worth over recorded bars, and what other rules would have been: docs/evidence.md."""
