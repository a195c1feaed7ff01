"""The `stonechat` command."""
