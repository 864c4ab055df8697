"""A trained TabM: the encoder of its columns, and its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from foretell.core.errors import ModelFileError
from foretell.core.lazy import require
from foretell.features.matrix import Floats, Matrix
from foretell.models.base import Context, Contributions, Files
from foretell.models.dataset import Dataset
from foretell.models.encode import LinearEncoder
from foretell.models.links import to_link
from foretell.models.tabm.recipe import Recipe
from foretell.task.model import TaskKind

Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class TabMFitted:
    """Weights after `epochs` epochs, on an encoder's outputs. A regression's labels were centred on `mean`
    and divided by `scale`.

    Many perceptrons bend together, so a score has no contributions of columns: all of it is the base.
    """

    name: str
    kind: TaskKind
    classes: int
    recipe: Recipe
    encoder: LinearEncoder
    epochs: int
    mean: float
    scale: float
    weights: Weights

    def predict(self, X: Matrix) -> Floats:
        require("tabm", extra="deep")
        from foretell.models.tabm.training import score

        return score(self, X)

    def contributions(self, X: Matrix) -> Contributions:
        base = to_link(self.kind, self.predict(X))
        return Contributions(X.names, np.zeros((X.rows, len(X.names), *base.shape[1:])), base)

    def importance(self) -> dict[str, float]:
        return {}

    def refit(self, data: Dataset, context: Context) -> TabMFitted:
        require("tabm", extra="deep")
        from foretell.models.tabm.training import trained

        return trained(self.name, self.recipe, data, self.epochs, context)

    def dump(self) -> dict[str, str | bytes]:
        safetensors = require("safetensors.numpy", extra="deep")
        held = {
            "name": self.name,
            "kind": self.kind,
            "classes": self.classes,
            "recipe": asdict(self.recipe),
            "encoder": self.encoder.to_json(),
            "epochs": self.epochs,
            "mean": self.mean,
            "scale": self.scale,
        }
        return {"tabm.json": json.dumps(held), "tabm.safetensors": safetensors.save(dict(self.weights))}

    @classmethod
    def load(cls, files: Files) -> Self:
        require("tabm", extra="deep")
        safetensors = require("safetensors.numpy", extra="deep")
        held: dict[str, Any] = json.loads(files["tabm.json"])
        blob = files["tabm.safetensors"]
        if not isinstance(blob, bytes):
            raise ModelFileError("a TabM's weights are not bytes")
        return cls(
            **{
                **held,
                "kind": TaskKind(held["kind"]),
                "recipe": Recipe(**held["recipe"]),
                "encoder": LinearEncoder.from_json(held["encoder"]),
            },
            weights=safetensors.load(blob),
        )
