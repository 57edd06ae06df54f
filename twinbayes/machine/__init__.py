"""What runs models on this machine: compiled kernels, special functions, tapes. Nothing medical."""
