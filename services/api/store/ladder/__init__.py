"""What is kept of a decision, and how long: whole, then narrow (docs/adr/0033)."""
