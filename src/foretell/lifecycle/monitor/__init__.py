"""Watching a model at work: drift tells, only harm pages; what is usual is told by its own past."""
