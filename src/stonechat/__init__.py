"""Stonechat: real-time analytics from plain text files, in one process."""
