"""Pages: one file each; what is asked in, a template and its values out."""
