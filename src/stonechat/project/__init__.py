"""What the files of a project mean together."""
