"""A version handed on to an MLflow tracking server, for those who look at their models there."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretell.core.errors import MissingExtraError, RegistryError
from foretell.core.lazy import require
from foretell.core.time import format_instant
from foretell.lifecycle.version import Version
from foretell.sources.naming import mask, without_secrets

_LONGEST = 500  # characters of a parameter that every MLflow takes


@dataclass(frozen=True)
class Tracked:
    """Where a version went: the experiment is called as the model is."""

    version: Version
    uri: str
    experiment: str
    run: str

    def to_dict(self) -> dict[str, Any]:
        return {"version": str(self.version), "uri": self.uri, "experiment": self.experiment, "run": self.run}


def track(version: Version, data: bytes, uri: str) -> Tracked:
    """Log a version's file, parameters, scores and tags as a run; again, and it is a run of its own.

    `data` is the model's file. A MissingExtraError where MLflow is not installed, a RegistryError where it
    refuses.
    """
    mlflow: Any = require("mlflow", extra="mlflow")
    shown = mask(uri) if "://" in uri else uri
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its own 7 wait for minutes
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(version.name)
        experiment = client.create_experiment(version.name) if found is None else found.experiment_id
        run = client.create_run(experiment, run_name=str(version), tags=_tags(version)).info.run_id
        for name, value in _parameters(version).items():
            client.log_param(run, name, value)
        for name, score in _scores(version).items():
            client.log_metric(run, name, score)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{version.name}.foretell"
            file.write_bytes(data)
            client.log_artifact(run, str(file))
        client.set_terminated(run)
    except mlflow.exceptions.MlflowException as error:
        raise RegistryError(
            f"MLflow at {shown!r} did not take {version}: {without_secrets(error.message, uri)}",
            mend="see that the server runs and its address is right, such as http://127.0.0.1:5000",
        ) from None
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"MLflow needs the package {error.name!r} for {shown!r}, which is not installed",
            mend="pip install mlflow",
        ) from None
    return Tracked(version, shown, version.name, run)


def _tags(version: Version) -> dict[str, str]:
    clean = version.clean
    return {
        "foretell.version": str(version.number),
        "foretell.sha256": version.sha256,
        "foretell.created": format_instant(version.created),
        "foretell.audit": "not made" if clean is None else "clean" if clean else "leak found",
        "foretell.schema": str(version.record.get("schema")),
        "foretell.snapshot": str(version.record.get("snapshot")),
    }


def _parameters(version: Version) -> dict[str, str]:
    record = version.record
    told = {
        "query": version.query,
        "kind": record.get("kind"),
        "rows": record.get("rows"),
        "entities": record.get("entities"),
        "last_cutoff": record.get("last_cutoff"),
        "features": len(record.get("features", ())),
        **{f"recipe.{k}": v for k, v in (record.get("recipe") or {}).items()},
        **{f"package.{k}": v for k, v in (record.get("packages") or {}).items()},
    }
    return {k: str(v)[:_LONGEST] for k, v in told.items() if v is not None}


def _scores(version: Version) -> dict[str, float]:
    told = version.backtest
    if told is None:
        return {}
    metric = told["metric"]
    found = {
        f"{name}{end}": told[part][key]
        for part, name in (("model", metric), ("lift", f"{metric}_lift"))
        for key, end in (("value", ""), ("low", "_low"), ("high", "_high"))
    }
    found |= {name: told[name] for name in ("ece", "coverage")}
    return {k: float(v) for k, v in found.items() if v is not None}
