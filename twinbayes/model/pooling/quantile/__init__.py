"""Quantiles of normal mixtures as an Op, and its JAX version."""
