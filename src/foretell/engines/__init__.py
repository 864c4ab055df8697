"""Plans become tables."""
