"""Prior files: read strictly, checked, and held against what models ask for."""
