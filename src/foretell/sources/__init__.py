"""Databases of every kind, read as one consistent snapshot."""
