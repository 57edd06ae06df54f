"""Predictions for patients whose record, or whose future, was left out."""
