"""The analytical engine: its contract, and the adapters behind it."""
