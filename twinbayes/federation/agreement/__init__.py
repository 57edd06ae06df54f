"""Agreement: columns, scales and windows from sums over all sites, and labels."""
