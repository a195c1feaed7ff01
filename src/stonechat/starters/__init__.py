"""Projects to start from, and generated sample data."""
