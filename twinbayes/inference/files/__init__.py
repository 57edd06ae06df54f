"""Fits as files: sealed, verified before they are parsed, with their provenance."""
