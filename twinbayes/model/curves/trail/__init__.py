"""Trails: what curves add to log hazards, point by point, as an Op and its JAX version."""
