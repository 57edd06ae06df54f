"""Calibration: predicted against observed, of patients and of simulations."""
