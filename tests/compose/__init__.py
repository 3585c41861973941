"""The Compose file, as written and as it runs."""
