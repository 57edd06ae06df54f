"""Models of aggregate data: basket trials, historical controls, meta-analyses."""
