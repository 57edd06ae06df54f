"""Exchange: signed messages in folders, released by people, recorded by every party."""
