"""Ordinary PyMC models: what is required of them, and their fits."""
