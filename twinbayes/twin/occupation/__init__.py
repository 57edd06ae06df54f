"""State occupation: the graph as tables, the kernel, paths of patients."""
