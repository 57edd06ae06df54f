"""A mapping drafted from the files: what headers and cells look like."""
