"""The OMOP common data model: its queries, the databases that answer them, its tables."""
