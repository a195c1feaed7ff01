"""Text of `.datasource`, `.pipe` and `.connection` files to resources, every value with its position."""
