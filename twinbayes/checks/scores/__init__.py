"""Scores of predicted probabilities under censoring."""
