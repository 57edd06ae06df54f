"""Descriptions as plain data: how fields are stored, and types of one's own registered."""
