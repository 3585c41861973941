"""What every service has in common: contracts, bus, settings, metrics, the run loop."""
