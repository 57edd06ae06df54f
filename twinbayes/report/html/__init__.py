"""HTML: escaped fragments, formulae, notebooks as self-contained pages."""
