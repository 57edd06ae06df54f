"""Curves of one patient, given visits and course so far."""
