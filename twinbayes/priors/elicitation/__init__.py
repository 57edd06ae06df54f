"""Priors from what experts say."""
