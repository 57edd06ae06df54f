"""The population under the posterior: hazards, curves, ratios of one patient."""
