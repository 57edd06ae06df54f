"""The commands of federations: studies, exchanges of messages, and their parts."""
