"""The fused event likelihood: kernel, Op, and its JAX version."""
