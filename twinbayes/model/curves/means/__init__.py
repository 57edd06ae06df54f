"""Mean functions: curves that are not linear in their parameters."""
