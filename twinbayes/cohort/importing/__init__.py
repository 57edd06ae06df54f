"""Hospital data in: files and a mapping, to a validated cohort and a ledger of every row."""
