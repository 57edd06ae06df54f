"""What a twin answers: forecasts, contrasts, quality-adjusted time, reliability."""
