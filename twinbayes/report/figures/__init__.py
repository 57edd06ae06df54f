"""Pictures of reports, one file a subject."""
