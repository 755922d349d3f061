"""What pages are made of: each Python beside its JavaScript and its style."""
