"""Families: how measurements scatter around a curve; one file a family."""
