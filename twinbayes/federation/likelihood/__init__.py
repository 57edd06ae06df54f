"""The likelihood of a site's patients: its coordinates, values and expansions."""
