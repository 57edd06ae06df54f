"""How much answers depend on the priors."""
