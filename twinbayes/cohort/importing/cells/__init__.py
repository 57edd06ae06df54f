"""Cells of hospital tables: text, numbers with limits and units, dates as days."""
