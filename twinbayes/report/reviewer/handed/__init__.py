"""Evidence that is handed in: checks and effects as files, read without trust."""
