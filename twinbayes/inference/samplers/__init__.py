"""Samplers: one protocol, one file a sampler."""
