"""Mapping files: which columns of which tables become what."""
