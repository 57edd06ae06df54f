"""The quality report of a cohort."""
