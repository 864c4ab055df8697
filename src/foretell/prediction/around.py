"""What a relational net reads beside the matrix: the rows around each entity, as known at its cutoff."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from foretell.core.errors import UsageError
from foretell.engines.base import Rows
from foretell.features.matrix import Instants, Matrix
from foretell.features.model import FeatureSet
from foretell.graph import Graph
from foretell.models.fitted import FittedModel
from foretell.prediction.database import OpenDatabase
from foretell.prediction.history import features_at
from foretell.task.model import Task


def graph_of(database: OpenDatabase, task: Task, later: Collection[str] = ()) -> Graph | None:
    """The graph that nets read, without the time columns `later`; None where no tables are held as arrays."""
    tables = database.engine.tables
    return None if tables is None else Graph(tables, task, database.engine, later)


def surrounded(matrix: Matrix, graph: Graph, rows: Rows, known: Instants | None = None) -> Matrix:
    """The matrix with the neighbourhoods of its rows, whose history is known until `known` (rows,), by
    default until their cutoffs.
    """
    return replace(matrix, around=graph.around(rows if known is None else Rows(rows.entities, known)))


def model_matrix(
    database: OpenDatabase,
    task: Task,
    features: FeatureSet,
    fitted: FittedModel,
    rows: Rows,
    known: Instants | None = None,
) -> Matrix:
    """All that a model reads of rows: its columns, and their neighbourhoods if it has a relational net."""
    matrix = features_at(database.engine, task, features, rows, known).select(fitted.columns)
    if not fitted.is_relational:
        return matrix
    graph = graph_of(database, task)
    if graph is None:
        raise UsageError(
            "this model has a relational net, which needs the native engine and no memory cap",
            mend="leave --memory out, or fit it with --model trees",
        )
    return surrounded(matrix, graph, rows, known)
