"""The simulated registry: its truth, and the patients drawn from it."""
