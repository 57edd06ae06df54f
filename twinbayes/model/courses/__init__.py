"""Courses: the graph of states, and the paths of patients through it."""
