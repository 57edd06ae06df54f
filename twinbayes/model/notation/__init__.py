"""How models are written, in words and as YAML."""
