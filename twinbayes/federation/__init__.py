"""Federation: one posterior over centres whose data stay at home."""
