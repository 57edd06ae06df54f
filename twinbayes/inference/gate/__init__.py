"""The fail-closed gate, and the diagnostics that it reads."""
