"""Reports: pictures, evidence, and notebooks turned into one self-contained HTML file."""
