"""Pooling strategies: how much subgroups borrow from each other."""
