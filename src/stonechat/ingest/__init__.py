"""The write path: verdicts on rows, the write-ahead log, group commit."""
