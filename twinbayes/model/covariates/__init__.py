"""Covariates: terms, columns, and a model of what is missing."""
