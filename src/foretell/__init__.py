"""foretell: ask a database what will happen.

>>> import foretell
>>> foretell.__version__ >= "0.1"
True

The names here come when they are called for, so that `import foretell` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from foretell.core.errors import (
    ConfigError,
    DataError,
    ForetellError,
    GateError,
    LeakError,
    MissingExtraError,
    ModelFileError,
    QueryError,
    RegistryError,
    SchemaError,
    SourceError,
    UsageError,
    WriteError,
)

if TYPE_CHECKING:
    from foretell.lifecycle.registry import Registry
    from foretell.pipeline import Answer, Check, Database, Question, connect
    from foretell.prediction.model import Model, load
    from foretell.prediction.predictions import Predictions
    from foretell.report.audit import Audit
    from foretell.testing.databases import demo

__version__ = "0.1.0"

_HOMES = {
    "Answer": "foretell.pipeline",
    "Audit": "foretell.report.audit",
    "Check": "foretell.pipeline",
    "Database": "foretell.pipeline",
    "Question": "foretell.pipeline",
    "Registry": "foretell.lifecycle.registry",
    "connect": "foretell.pipeline",
    "Model": "foretell.prediction.model",
    "load": "foretell.prediction.model",
    "Predictions": "foretell.prediction.predictions",
    "demo": "foretell.testing.databases",
}

__all__ = [
    "Answer",
    "Audit",
    "Check",
    "ConfigError",
    "DataError",
    "Database",
    "ForetellError",
    "GateError",
    "LeakError",
    "MissingExtraError",
    "Model",
    "ModelFileError",
    "Predictions",
    "QueryError",
    "Question",
    "Registry",
    "RegistryError",
    "SchemaError",
    "SourceError",
    "UsageError",
    "WriteError",
    "__version__",
    "connect",
    "demo",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'foretell' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
