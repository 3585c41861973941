"""The channels' port and its tools: messages, outcomes, settings, HTTP."""
