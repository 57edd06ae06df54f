"""How models are written as YAML: the words for their parts, and which key holds which."""
