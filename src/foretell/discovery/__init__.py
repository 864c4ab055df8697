"""A database's schema, inferred with evidence for each guess."""

from foretell.discovery.conform import conform
from foretell.discovery.discover import discover
from foretell.discovery.report import Finding, findings

__all__ = ["Finding", "conform", "discover", "findings"]
