"""What is asked of patients at a landmark: forecasts, contrasts, quality-adjusted time."""
