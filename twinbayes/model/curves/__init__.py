"""Curves: repeated measurements of markers, and how they move hazards."""
