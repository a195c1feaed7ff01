"""The read path, without HTTP."""
