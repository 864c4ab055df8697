"""What is around a row in the database, as it was known at the row's cutoff: what a relational net reads."""

from __future__ import annotations

from foretell.graph.graph import Graph, Neighbourhood
from foretell.graph.sample import Sample
from foretell.graph.tree import Fanout

__all__ = ["Fanout", "Graph", "Neighbourhood", "Sample"]
