"""The SQL template language."""
