"""Engines: networks that carry the messages of a federation; each an extra of its own."""
