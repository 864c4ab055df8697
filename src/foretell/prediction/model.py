"""The saved model: a query, the features it reads, what was fitted, and what was measured. No pickle
anywhere.

The file is a zip of JSON, of the boosters' own text and of nets' weights (safetensors), with a manifest that
names each part's sha256. It holds no training rows: scoring needs the database and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pyarrow as pa

from foretell.core.errors import ModelFileError, UsageError
from foretell.core.progress import QUIET, Progress
from foretell.core.time import Instant, Offset, Unit, parse_instant
from foretell.explain.explanation import EntityExplanation, Explanation
from foretell.explain.reasons import Driver
from foretell.features import model as feature_model
from foretell.features.describe import left_out_words
from foretell.features.lower import feature_plan, target_plan
from foretell.features.model import FeatureSet, LeftOut
from foretell.models.fitted import FittedModel
from foretell.prediction import batch
from foretell.prediction.database import OpenDatabase, Opened, Target, moment_of
from foretell.prediction.labels import read_rows
from foretell.prediction.predictions import Predictions
from foretell.query.format import format_query
from foretell.query.parser import parse
from foretell.schema import record
from foretell.task.bind import bind
from foretell.task.given import given_task, is_given
from foretell.task.model import Task, TaskKind
from foretell.task.regime import SEED_TIME, Regime

if TYPE_CHECKING:
    from foretell.prediction.online import Scorer

FORMAT = 2  # 1 had no parts but text
_MANIFEST = "manifest.json"
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)
"""What reading raises where the contents are not what they should be."""
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.\-/]{1,200}")
_TEXT = (".json", ".txt")  # parts that are UTF-8; any other is bytes
_LARGEST = 1 << 30  # bytes that a part may hold once unpacked


@dataclass(frozen=True)
class Model:
    """A trained model. `backtest` is what was measured before release (JSON-ready), None if nothing could be;
    `explanation` is of the model that it judged (files of earlier releases have none).

    `facts` tell how it came about: cutoffs, rows, seed, package versions. `regime` says up to when the rows
    that it scores know their history. `home` is the database it was trained on, where that is still open; it
    is not saved.
    """

    task: Task
    features: FeatureSet
    fitted: FittedModel
    drivers: tuple[Driver, ...] = ()
    backtest: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    regime: Regime = SEED_TIME
    explanation: Explanation | None = None
    home: OpenDatabase | None = field(default=None, compare=False, repr=False)

    @property
    def query(self) -> str | None:
        """The query in canonical form; None where labels were given."""
        return None if is_given(self.task) else format_query(self.task.query)

    @property
    def description(self) -> str:
        """The task in words."""
        return batch.describe_task(self.task)

    def predict(
        self,
        target: Target | OpenDatabase | Opened | None = None,
        *,
        as_of: str | Instant | None = None,
        frozen_at: str | Instant | None = None,
        ids: Sequence[Any] | None = None,
        explain: bool | int = False,
        baseline: bool = False,
        config: str | os.PathLike[str] | None = None,
        memory: str | int | None = None,
        cache: bool = False,
        progress: Progress = QUIET,
    ) -> Predictions:
        """Scores as of a cutoff (default: the query's AS OF, or the end of the data), highest first.

        `target` is a path, a URL, frames or an open database; without one, the database that the model was
        trained on, while that is open. `frozen_at` is when the history that is looked at ends, by default as
        the model was trained: at the cutoff, at the time it was frozen, or at the data's end. `ids` are
        entity keys (tuples for composite keys); those outside the population are left out and noted.
        `explain` gives reasons for the highest 200 scores, or as many as it says; `baseline` adds a column of
        what the best simple rule says. `config` (for names that changed), `memory` and `cache` are as
        in `connect`.
        """
        with self._opened(target, progress, config=config, memory=memory, cache=cache) as database:
            return batch.predict(
                database,
                self.task,
                self.features,
                self.fitted,
                self._cutoff(database, as_of),
                regime=self.regime,
                frozen_at=_instant(frozen_at),
                ids=ids,
                explain=explain,
                baseline=baseline,
                notes=self.notes,
            )

    def predict_rows(
        self,
        rows: Any,
        target: Target | OpenDatabase | Opened | None = None,
        *,
        frozen_at: str | Instant | None = None,
        progress: Progress = QUIET,
    ) -> pa.Table:
        """Scores of rows of one's own, in their order: a table, frame or file of (entity key, cutoff).

        Each row sees what lay before its own cutoff, or before `frozen_at` (see `predict`) where that is
        earlier. Whether an entity was in the population is not asked.
        """
        table = read_rows(rows, self.task)
        with self._opened(target, progress) as database:
            return batch.predict_rows(
                database,
                self.task,
                self.features,
                self.fitted,
                table,
                regime=self.regime,
                frozen_at=_instant(frozen_at),
            )

    @overload
    def explain(self) -> Explanation: ...

    @overload
    def explain(
        self,
        entity: Any,
        target: Target | OpenDatabase | Opened | None = None,
        *,
        as_of: str | Instant | None = None,
        frozen_at: str | Instant | None = None,
        top: int = 8,
        hints: bool = True,
        config: str | os.PathLike[str] | None = None,
        memory: str | int | None = None,
        cache: bool = False,
        progress: Progress = QUIET,
    ) -> EntityExplanation: ...

    def explain(
        self,
        entity: Any = None,
        target: Target | OpenDatabase | Opened | None = None,
        *,
        as_of: str | Instant | None = None,
        frozen_at: str | Instant | None = None,
        top: int = 8,
        hints: bool = True,
        config: str | os.PathLike[str] | None = None,
        memory: str | int | None = None,
        cache: bool = False,
        progress: Progress = QUIET,
    ) -> Explanation | EntityExplanation:
        """What the model rests on; or with an `entity` (a key, a tuple for composite ones) why its score is
        what it is: the `top` strongest reasons, each with the rows behind it.

        Of the whole model no database is needed: it was looked at when it was made. Of an entity, `target`,
        `as_of`, `frozen_at` and the rest are as in `predict`; `hints` compares it with those who are alike.
        """
        if entity is None:
            if self.explanation is None:
                raise UsageError(
                    "this model was saved without an explanation, by an earlier release",
                    mend="train it again: foretell fit … or foretell retrain …",
                )
            return self.explanation
        from foretell.prediction.explaining import explain_entity

        with self._opened(target, progress, config=config, memory=memory, cache=cache) as database:
            return explain_entity(
                database,
                self.task,
                self.features,
                self.fitted,
                self._cutoff(database, as_of),
                entity,
                top=top,
                regime=self.regime,
                frozen_at=_instant(frozen_at),
                explanation=self.explanation,
                hinted=hints,
            )

    def scorer(self, target: Target | OpenDatabase | Opened | None = None, **how: Any) -> Scorer:
        """A warm object that scores one entity at a time against the live database; see `online.Scorer`.

        Without a `target` it reads the database that the model was trained on, while that is open; `how` are
        `renew`, `most` and `clock`.
        """
        from foretell.prediction.online import Scorer

        return Scorer(self, self._chosen(target), **how)

    def _chosen(self, target: Target | OpenDatabase | Opened | None) -> Target | OpenDatabase | Opened:
        chosen = target if target is not None else self.home
        if chosen is None:
            raise UsageError("which database is to be read?", mend='name it: model.predict("shop.duckdb")')
        return chosen

    def _opened(
        self, target: Target | OpenDatabase | Opened | None, progress: Progress, **how: Any
    ) -> AbstractContextManager[OpenDatabase]:
        return batch.opened(self._chosen(target), self.task, progress, **how)

    def _cutoff(self, database: OpenDatabase, as_of: str | Instant | None) -> Instant:
        return moment_of(database, self.task, _instant(as_of))

    def sql(self) -> str:
        """The labels and the features as one commented SQL script that DuckDB runs; and what was left out."""
        from foretell.plan.script import script

        cutoffs = [parse_instant(str(c)) for c in self.facts.get("cutoffs", ())][-3:]
        texts = {f.name: f.description for f in self.features.features}
        labels = None if is_given(self.task) else target_plan(self.task)
        plan = feature_plan(self.task, self.features)
        text = script(plan, labels, self.task.schema, cutoffs, texts, describe_title=self.description)
        return text + left_out_words(self.features.left_out)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model to a file, whole or not at all."""
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(place.name + ".part")
        try:
            with draft.open("wb") as handle:
                handle.write(self.to_bytes())
                handle.flush()
                os.fsync(handle.fileno())
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)
        return place

    def to_bytes(self) -> bytes:
        """What `save` writes: equal models are equal bytes."""
        parts = {n: p if isinstance(p, bytes) else p.encode() for n, p in self._parts().items()}
        manifest = {
            "format": FORMAT,
            "kind": "foretell model",
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(parts.items())},
        }
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_entry(_MANIFEST), json.dumps(manifest, indent=1))
            for name in sorted(parts):
                archive.writestr(_entry(name), parts[name])
        return whole.getvalue()

    def _parts(self) -> dict[str, str | bytes]:
        task = self.task
        horizon = task.horizon
        told = {
            "query": self.query,
            "given": None
            if not is_given(task)
            else {
                "entity": f"{task.query.entity.table}.{task.query.entity.name}",
                "kind": task.kind.value,
                "horizon": None if horizon is None else [horizon.amount, horizon.unit.value],
            },
            "schema": record.to_record(task.schema),
            "features": feature_model.to_json(self.features),
            "left_out": [[x.why, list(x.names)] for x in self.features.left_out],
            "drivers": [asdict(d) for d in self.drivers],
            "explanation": None if self.explanation is None else self.explanation.to_dict(),
            "backtest": self.backtest,
            "facts": dict(self.facts),
            "notes": list(self.notes),
            "regime": asdict(self.regime),
        }
        fitted = {f"fitted/{name}": part for name, part in self.fitted.dump().items()}
        return {"model.json": json.dumps(told, indent=1), **fitted}

    def __repr__(self) -> str:
        return f"<Model {self.description} {len(self.features)} features, {self.fitted!r}>"


def load(path: str | os.PathLike[str]) -> Model:
    """Read a saved model; a file that is damaged, foreign or newer is a ModelFileError."""
    place = Path(path)
    parts = _read(place)
    try:
        told = json.loads(parts["model.json"])
        schema = record.from_record(told["schema"])
        if told["given"] is None:
            task = bind(parse(told["query"]), schema)
        else:
            given = told["given"]
            horizon = (
                None if given["horizon"] is None else Offset(given["horizon"][0], Unit(given["horizon"][1]))
            )
            task = given_task(schema, given["entity"], TaskKind(given["kind"]), horizon)
        return Model(
            task=task,
            features=replace(
                feature_model.from_json(told["features"], schema),
                left_out=tuple(LeftOut(why, tuple(names)) for why, names in told["left_out"]),
            ),
            fitted=FittedModel.load(
                {n.removeprefix("fitted/"): p for n, p in parts.items() if n.startswith("fitted/")}
            ),
            drivers=tuple(Driver(**d) for d in told["drivers"]),
            explanation=None
            if told.get("explanation") is None
            else Explanation.from_dict(told["explanation"]),
            backtest=told["backtest"],
            facts=told["facts"],
            notes=tuple(told["notes"]),
            regime=Regime(**told.get("regime", {})),
        )
    except _MALFORMED as error:
        raise ModelFileError(f"{place} cannot be read as a model: {error!r}") from None


def _instant(said: str | Instant | None) -> Instant | None:
    return parse_instant(said) if isinstance(said, str) else said


def _read(place: Path) -> dict[str, str | bytes]:
    try:
        with zipfile.ZipFile(place) as archive:
            for entry in archive.infolist():
                _refuse_unsafe(entry, place)
            manifest = json.loads(_unpack(archive, _MANIFEST, place))
            if not isinstance(manifest, dict) or manifest.get("kind") != "foretell model":
                raise ModelFileError(f"{place} is not a foretell model")
            if manifest["format"] > FORMAT:
                raise ModelFileError(
                    f"{place} has format {manifest['format']}, newer than this release's {FORMAT}",
                    mend="pip install --upgrade foretell",
                )
            parts: dict[str, str | bytes] = {}
            for name, digest in manifest["sha256"].items():
                data = _unpack(archive, name, place)
                if hashlib.sha256(data).hexdigest() != digest:
                    raise ModelFileError(
                        f"{place} is damaged: {name} does not match its sha256", mend="save the model again"
                    )
                parts[name] = data.decode() if name.endswith(_TEXT) else data
            return parts
    except FileNotFoundError:
        raise ModelFileError(
            f"there is no model file {place}", mend="train one: foretell fit … --name …"
        ) from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, *_MALFORMED) as error:
        raise ModelFileError(f"{place} is not a foretell model, or is damaged: {error}") from None


def _refuse_unsafe(entry: zipfile.ZipInfo, place: Path) -> None:
    """Parts are never unpacked to a path, but a file that names such a path was not written by us."""
    steps = entry.filename.split("/")
    link = stat.S_ISLNK(entry.external_attr >> 16)
    if link or not _SAFE_NAME.fullmatch(entry.filename) or any(s in ("", ".", "..") for s in steps):
        what = "is a symbolic link" if link else "has an unsafe name"
        raise ModelFileError(
            f"{place} was not written by foretell: its part {entry.filename!r} {what}",
            mend="take a model file from whom you trust, or train the model again",
        )


def _unpack(archive: zipfile.ZipFile, name: str, place: Path) -> bytes:
    """A part's bytes. Parts are read into memory by name, never written to a path."""
    if archive.getinfo(name).file_size > _LARGEST:
        raise ModelFileError(f"{place}: {name} is larger than {_LARGEST:,} bytes")
    return archive.read(name)


def _entry(name: str) -> zipfile.ZipInfo:
    """A zip entry with a fixed date, so that equal models are equal files."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def package_versions() -> dict[str, str]:
    """What a model was made with."""
    found = {"python": platform.python_version()}
    for package in ("foretell", "duckdb", "numpy", "lightgbm", "scikit-learn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
