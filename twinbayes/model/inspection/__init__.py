"""A model held against a cohort: what it leaves unused of it, and which priors it asks for."""
