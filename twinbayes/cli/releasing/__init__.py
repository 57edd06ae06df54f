"""The commands of releases: who stands for a fit, and what leaves the house."""
