"""The runtime of every service: logging, settings, leases, the consumer loop, health."""
