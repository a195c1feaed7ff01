"""The HTTP API, one module a family of routes."""
