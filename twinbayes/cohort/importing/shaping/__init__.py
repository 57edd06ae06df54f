"""Source tables into the tables of the contract, each row with its place in the source."""
