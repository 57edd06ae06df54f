"""Simulated trials of subgroups, and how often their analyses are right."""
