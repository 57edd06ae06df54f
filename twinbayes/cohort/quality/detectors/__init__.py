"""Detectors: what may be wrong with the data of a cohort that keeps the contract; one file a kind."""
