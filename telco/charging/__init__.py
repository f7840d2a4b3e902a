"""Usage in: what the network asks before and reports after a call, a message or data."""
