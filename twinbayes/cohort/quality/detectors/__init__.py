"""Detectors: what may be wrong with data that keep the contract; one file a kind of fault."""
