"""Draws weighted by how well they bear out a record that the fit has not seen."""
