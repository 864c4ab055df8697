"""A database's schema, inferred with evidence for each guess."""

from foretell.discovery.discover import discover

__all__ = ["discover"]
