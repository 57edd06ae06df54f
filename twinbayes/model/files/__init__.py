"""Model files read: strictly, and all faults at once."""
