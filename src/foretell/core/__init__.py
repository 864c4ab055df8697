"""Small things every room stands on: errors, time, seeds, progress, lazy imports, text."""
