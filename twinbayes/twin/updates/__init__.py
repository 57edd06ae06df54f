"""Updates of twins: new rows of a record, a ledger of them, and doing them again."""
