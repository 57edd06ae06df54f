"""Tapes: PyTensor graphs as lists of array instructions, played without compiling."""
