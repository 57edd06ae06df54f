"""The event process: hazards of transitions and treatment starts."""
