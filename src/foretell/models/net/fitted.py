"""A trained relational net: several copies from different seeds, whose scores are averaged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from foretell.core.errors import DataError, ModelFileError
from foretell.core.lazy import require
from foretell.features.matrix import Floats, Matrix
from foretell.graph import Neighbourhood
from foretell.models.base import Context, Contributions, Files
from foretell.models.dataset import Dataset
from foretell.models.links import from_link, to_link
from foretell.models.net.encoding import Encoding
from foretell.models.net.inputs import Columns, Scale
from foretell.models.net.recipe import Recipe
from foretell.schema.model import Schema
from foretell.schema.record import shape
from foretell.task.model import TaskKind

FORMAT = 1
Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class NetFitted:
    """Weights, and the rules by which rows and labels are read. `epochs` were trained by each copy.

    A score is made of the rows around an entity, so it has no contributions of columns: all of it is the
    base.
    """

    name: str
    kind: TaskKind
    classes: tuple[str, ...]
    recipe: Recipe
    schema: str  # a hash of the schema's shape
    encoding: Encoding
    columns: Columns
    scale: Scale
    epochs: tuple[int, ...]
    weights: tuple[Weights, ...]

    def predict(self, X: Matrix) -> Floats:
        return from_link(self.kind, self.raw(X))

    def raw(self, X: Matrix) -> Floats:
        """The mean of the copies' scores in link space: (n,), or (n, k) for classes."""
        require("torch", extra="deep")
        from foretell.models.net.training import score

        around = neighbourhood(X)
        if schema_hash(around.graph.task.schema) != self.schema:
            raise DataError("these rows come from a database of another shape than the net was trained on")
        if not X.rows:
            return np.empty((0, len(self.classes)) if self.kind is TaskKind.MULTICLASS else 0)
        made = np.mean([score(self, weights, X) for weights in self.weights], axis=0)
        if self.kind is TaskKind.MULTICLASS:
            return np.asarray(made - made.mean(axis=1, keepdims=True))
        return self.scale.restored(made[:, 0])

    def contributions(self, X: Matrix) -> Contributions:
        base = to_link(self.kind, self.predict(X))
        return Contributions(X.names, np.zeros((X.rows, len(X.names), *base.shape[1:])), base)

    def importance(self) -> dict[str, float]:
        return {}

    def refit(self, data: Dataset, context: Context) -> NetFitted:
        require("torch", extra="deep")
        from foretell.models.net.training import trained

        return trained(replace(self, weights=()), data, context)

    def dump(self) -> dict[str, str | bytes]:
        safetensors = require("safetensors.numpy", extra="deep")
        held = {
            "format": FORMAT,
            "name": self.name,
            "kind": self.kind,
            "classes": self.classes,
            "recipe": self.recipe.to_record(),
            "schema": self.schema,
            "encoding": self.encoding.to_record(),
            "columns": self.columns.to_record(),
            "scale": self.scale.to_record(),
            "epochs": self.epochs,
        }
        named = {f"{i}.{n}": a for i, copy in enumerate(self.weights) for n, a in copy.items()}
        return {"net.json": json.dumps(held), "net.safetensors": safetensors.save(named)}

    @classmethod
    def load(cls, files: Files) -> Self:
        safetensors = require("safetensors.numpy", extra="deep")
        require("torch", extra="deep")
        held: dict[str, Any] = json.loads(files["net.json"])
        if held.pop("format") > FORMAT:
            raise ModelFileError("this net was written by a newer release", mend="upgrade foretell")
        blob = files["net.safetensors"]
        assert isinstance(blob, bytes)
        weights: list[dict[str, npt.NDArray[np.float32]]] = [{} for _ in held["epochs"]]
        for name, array in safetensors.load(blob).items():
            copy, _, inner = name.partition(".")
            weights[int(copy)][inner] = array
        return cls(
            name=held["name"],
            kind=TaskKind(held["kind"]),
            classes=tuple(held["classes"]),
            recipe=Recipe.from_record(held["recipe"]),
            schema=held["schema"],
            encoding=Encoding.from_record(held["encoding"]),
            columns=Columns.from_record(held["columns"]),
            scale=Scale.from_record(held["scale"]),
            epochs=tuple(held["epochs"]),
            weights=tuple(weights),
        )


def neighbourhood(X: Matrix) -> Neighbourhood:
    """Where the rows of a matrix find what is around them."""
    if not isinstance(X.around, Neighbourhood):
        raise DataError("the relational net needs the neighbourhoods of its rows, and the matrix has none")
    return X.around


def schema_hash(schema: Schema) -> str:
    """A hash of all that plans over a schema depend on."""
    return hashlib.sha256(json.dumps(shape(schema), sort_keys=True).encode()).hexdigest()
