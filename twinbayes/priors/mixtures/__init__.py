"""Mixtures of conjugate distributions as priors: fitted, sized, exchanged."""
