"""Exact operating characteristics of trials with one or two arms."""
