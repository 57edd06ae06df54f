"""From sums of likelihoods to a posterior: what stands for them, its draws, and their weights."""
