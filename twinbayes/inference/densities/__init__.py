"""Densities of posterior draws: likelihood by patient, priors by entry."""
