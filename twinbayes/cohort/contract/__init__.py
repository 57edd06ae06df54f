"""The data contract: schemas, rules, and the faults of tables that break them."""
