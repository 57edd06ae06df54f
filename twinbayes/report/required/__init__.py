"""What a review must answer: its sections, the context of use, and the first screen."""
