"""The fitted model: members, weights, calibration, intervals, baselines; scored together, kept as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from foretell.core.errors import DataError, ModelFileError, UsageError
from foretell.core.progress import QUIET, Progress
from foretell.features.matrix import Floats, Instants, Matrix
from foretell.models.abreast import abreast
from foretell.models.base import Context, Contributions, Files, Fitted
from foretell.models.baselines import Baseline
from foretell.models.boost import BoostFitted
from foretell.models.calibrate import IDENTITY, Calibration, fit_calibration
from foretell.models.choice import Family
from foretell.models.criteria import criterion_for
from foretell.models.dataset import Dataset
from foretell.models.encode import frozen
from foretell.models.ensemble import blend
from foretell.models.follow import Judged
from foretell.models.intervals import Conformal, fit_conformal
from foretell.models.linear import LinearFitted
from foretell.models.links import from_link
from foretell.models.margin import MarginFitted
from foretell.models.net import NetFitted
from foretell.models.rest import RestFitted
from foretell.models.tabm import TabMFitted
from foretell.models.trees import TreeFitted
from foretell.task.model import TaskKind

FORMAT = 1
FEW_POSITIVES = 50


_LOADERS: Mapping[str, Callable[[Files], Fitted]] = {
    "rest.json": RestFitted.load,  # it and the next hold a tree.json too, so they come first
    "margin.json": MarginFitted.load,
    "baseline.json": Baseline.load,
    "linear.json": LinearFitted.load,
    "tree.json": TreeFitted.load,
    "net.json": NetFitted.load,
    "tabm.json": TabMFitted.load,
    "boost.json": BoostFitted.load,
}
"""How a member is read, by the file that tells what it is."""


@dataclass(frozen=True)
class FittedModel:
    """A trained ensemble with its baselines, calibration and intervals.

    `weights` belong to `members`, and so do `spreads`: the deviation of each member's link-space scores on
    validation, by which a member that hardly moves the score counts for little. `validation` holds every
    candidate's score by `criterion`, 'ensemble' among them. `notes` are sentences for the report. `families`
    say what each member is (none: all of them trees), `left_out` which family was not tried, and why.
    `judged` are the rows that the intervals were taken from; they are not kept in files.
    """

    kind: TaskKind
    classes: tuple[str, ...]
    metric: str
    criterion: str
    columns: tuple[str, ...]
    members: tuple[Fitted, ...]
    weights: tuple[float, ...]
    spreads: tuple[float, ...]
    baselines: Mapping[str, Baseline]
    best_baseline: str
    calibration: Calibration = IDENTITY
    conformal: Conformal | None = None
    validation: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rows: int = 0
    floor: float | None = None  # 0.0: no label was ever negative, so no prediction is
    families: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    judged: Judged | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        parts = [f"{w:.0%} {m.name}" for m, w in zip(self.members, self.weights)]
        return f"<{self.kind} model of {self.rows:,} rows: {', '.join(parts)}>"

    def raw(self, X: Matrix) -> Floats:
        """The calibrated score in link space: log-odds (n,), class logits (n, k) or values (n,)."""
        scores = [m.predict(X) for m in self.members]
        return self.calibration.apply(blend(self.kind, scores, self.weights))

    def predict(self, X: Matrix) -> Floats:
        """(n,) probabilities of the positive class, (n,) values, or (n, k) class probabilities."""
        return self._finish(self.raw(X))

    @property
    def nets(self) -> tuple[Fitted, ...]:
        """The members that are nets."""
        return tuple(m for m, family in zip(self.members, self.families) if family == Family.NET)

    @property
    def is_relational(self) -> bool:
        """Whether a member reads the neighbourhoods of a matrix's rows."""
        return any(isinstance(m, NetFitted) for m in self.members)

    def predict_families(self, X: Matrix) -> dict[str, Floats]:
        """What each family of members says alone, as `predict` would; nothing where all are of one."""
        return self.predict_with_families(X)[1]

    def predict_with_families(self, X: Matrix) -> tuple[Floats, dict[str, Floats]]:
        """`predict` and `predict_families` at the price of one: each member is asked once."""
        scores = [m.predict(X) for m in self.members]

        def said(held: Sequence[int]) -> Floats:
            whole = sum(self.weights[i] for i in held)
            weights = [self.weights[i] / whole for i in held]
            raw = blend(self.kind, [scores[i] for i in held], weights)
            return self._finish(self.calibration.apply(raw))

        apart = {
            name: [i for i, family in enumerate(self.families) if family == name]
            for name in dict.fromkeys(self.families)
        }
        both = self._finish(self.calibration.apply(blend(self.kind, scores, self.weights)))
        return both, {name: said(held) for name, held in apart.items()} if len(apart) > 1 else {}

    def _finish(self, raw: Floats) -> Floats:
        out = from_link(self.kind, raw)
        return np.maximum(out, self.floor) if self.floor is not None else out

    def predict_interval(
        self, X: Matrix, level: float = 0.8, *, predicted: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """(low, high) that should hold the truth in `level` of the cases. Regressions only. `predicted` are
        the rows' predictions, where they are at hand.
        """
        if self.kind is not TaskKind.REGRESSION:
            raise UsageError(f"a {self.kind} task has probabilities, not intervals")
        if not 0 < level < 1:
            raise UsageError(f"found {level:g}, expected a level between 0 and 1", mend="for example 0.8")
        if self.conformal is None:
            raise DataError("there were too few validation rows to say how far predictions are off")
        return self.conformal.band(self.predict(X) if predicted is None else predicted, level)

    def predict_baselines(self, X: Matrix) -> dict[str, Floats]:
        """Every baseline's predictions, by name."""
        return {name: self._floored(b.predict(X)) for name, b in self.baselines.items()}

    def _floored(self, out: Floats) -> Floats:
        return np.maximum(out, self.floor) if self.floor is not None else out

    def explain(self, X: Matrix) -> Contributions:
        """Contributions per matrix column that, with the base, add up to `raw(X)`."""
        parts = [m.contributions(X) for m in self.members]
        slope, shift = self.calibration.slope, self.calibration.shift
        values = slope * sum(w * p.values for w, p in zip(self.weights, parts))
        base = slope * sum(w * p.base for w, p in zip(self.weights, parts)) + shift
        return Contributions(self.columns, np.asarray(values), np.asarray(base))

    def contributions(self, X: Matrix) -> Floats:
        """(n, p) contributions in link space, (n, p, k) for a multiclass task; see `explain` for their
        base.
        """
        return self.explain(X).values

    def importance(self) -> dict[str, float]:
        """Each column's share in the model, largest first; columns that no member uses are left out."""
        strength = np.asarray(self.weights) * np.asarray(self.spreads)
        strength = strength / (strength.sum() or 1.0)
        out: dict[str, float] = {}
        for member, weight in zip(self.members, strength.tolist()):
            for column, share in member.importance().items():
                out[column] = out.get(column, 0.0) + weight * share
        return dict(sorted(out.items(), key=lambda item: (-item[1], item[0])))

    def refit_on(
        self, data: Dataset, *, seed: int = 0, threads: int = 2, progress: Progress = QUIET
    ) -> FittedModel:
        """The same members, weights, calibration and intervals, with the members trained anew on `data`."""
        criterion = criterion_for(self.kind, self.metric)
        context = Context(self.kind, criterion, self.classes, seed=seed, threads=threads, progress=progress)
        check_labels(data, context)
        return refitted(self, data.select(self.columns), context)

    def recalibrated(self, data: Dataset) -> FittedModel:
        """The same model with its calibration taken from rows that it has not seen, and its intervals from
        these and those that they had been taken from.
        """
        raw = blend(self.kind, [m.predict(data.X) for m in self.members], self.weights)
        calibration, conformal, said = settle(self.kind, raw, data.y, data.cutoffs, self.floor)
        if self.judged is None:
            return replace(self, calibration=calibration, conformal=conformal)
        judged = self.judged.joined(Judged(data.y, said, data.cutoffs))
        return replace(self, calibration=calibration, conformal=judged.conformal, judged=judged)

    def dump(self) -> dict[str, str | bytes]:
        """Files by name: model.json, and a folder for every member."""
        held = {
            "format": FORMAT,
            "kind": self.kind,
            "classes": self.classes,
            "metric": self.metric,
            "criterion": self.criterion,
            "columns": self.columns,
            "weights": self.weights,
            "spreads": self.spreads,
            "best_baseline": self.best_baseline,
            "calibration": asdict(self.calibration),
            "conformal": None if self.conformal is None else asdict(self.conformal),
            "validation": dict(self.validation),
            "notes": self.notes,
            "rows": self.rows,
            "floor": self.floor,
            "families": self.families,
            "left_out": self.left_out,
        }
        files: dict[str, str | bytes] = {"model.json": json.dumps(held, indent=1)}
        for i, member in enumerate(self.members):
            files.update({f"members/{i}/{name}": held for name, held in member.dump().items()})
        for name, baseline in self.baselines.items():
            files.update({f"baselines/{name}/{n}": text for n, text in baseline.dump().items()})
        return files

    @classmethod
    def load(cls, files: Files) -> FittedModel:
        """The model that `dump` wrote."""
        try:
            held = json.loads(files["model.json"])
            if held.pop("format") > FORMAT:
                raise ModelFileError("this model was written by a newer release", mend="upgrade foretell")
            folders = _folders(files)
            members = tuple(_load_member(folders[f"members/{i}"]) for i in range(len(held["weights"])))
            baselines = {
                path.split("/")[1]: Baseline.load(inner)
                for path, inner in folders.items()
                if path.startswith("baselines/")
            }
            conformal = held.pop("conformal")
            return cls(
                **{
                    **held,
                    "kind": TaskKind(held["kind"]),
                    "calibration": Calibration(**held["calibration"]),
                    **{k: tuple(held[k]) for k in ("classes", "columns", "weights", "spreads", "notes")},
                    **{k: tuple(held.get(k, ())) for k in ("families", "left_out")},  # not in the first files
                },
                members=members,
                baselines=baselines,
                conformal=None if conformal is None else Conformal(**frozen(conformal)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"the model's files are damaged or incomplete ({error})") from error


def _folders(files: Files) -> dict[str, dict[str, str | bytes]]:
    out: dict[str, dict[str, str | bytes]] = {}
    for path, part in files.items():
        folder, _, name = path.rpartition("/")
        out.setdefault(folder, {})[name] = part
    return out


def _load_member(files: Files) -> Fitted:
    for marker, load in _LOADERS.items():
        if marker in files:
            return load(files)
    raise ModelFileError(f"no member of a known kind among {sorted(files)}")


def settle(
    kind: TaskKind, raw: Floats, y: Floats, cutoffs: Instants, floor: float | None
) -> tuple[Calibration, Conformal | None, Floats]:
    """The calibration of scores made without seeing these rows' labels, the intervals around what they then
    say, and those predictions.
    """
    calibration = fit_calibration(kind, raw, y, cutoffs)
    final = from_link(kind, calibration.apply(raw))
    if floor is not None:
        final = np.maximum(final, floor)
    conformal = fit_conformal(y, final, cutoffs) if kind is TaskKind.REGRESSION else None
    return calibration, conformal, final


def refitted(model: FittedModel, data: Dataset, context: Context) -> FittedModel:
    """The model with its members and baselines trained anew on `data`; all choices stay.

    Nets have all threads each, one after the other.
    """
    nets = {id(m) for m in model.nets}
    others = [m for m in model.members if id(m) not in nets]
    again = abreast(lambda m: m.refit(data, context), others, rows=data.rows, threads=context.threads)
    members = [m.refit(data, context) if id(m) in nets else next(again) for m in model.members]
    baselines = {name: b.refit(data, context) for name, b in model.baselines.items()}
    return replace(model, members=tuple(members), baselines=baselines, rows=data.rows)


def check_labels(train: Dataset, context: Context) -> list[str]:
    """Refuse labels that teach nothing; return notes on those that teach little."""
    y = train.y
    if not train.rows:
        raise DataError("there are no training rows", mend="widen the population or use earlier cutoffs")
    if context.kind is TaskKind.BINARY:
        if not np.isin(y, (0.0, 1.0)).all():
            raise DataError("a binary label must be 0 or 1", examples=list(np.unique(y)[:3]))
        positives = int(y.sum())
        if positives in (0, train.rows):
            raise DataError(
                f"every one of the {train.rows:,} labels is {'true' if positives else 'false'} "
                f"(base rate {positives / train.rows:.0%}): there is nothing to tell apart",
                mend="change the condition, the window or the population",
                base_rate=positives / train.rows,
            )
        rarer = min(positives, train.rows - positives)
        if rarer < FEW_POSITIVES:
            word = "positive" if positives <= train.rows - positives else "negative"
            return [f"only {rarer:,} {word} labels in training: expect wide intervals"]
        return []
    if context.kind is TaskKind.MULTICLASS and (y.min() < 0 or y.max() >= len(context.classes)):
        raise DataError("a multiclass label must be the index of one of the classes")
    if y.min() == y.max():
        shown = context.classes[int(y[0])] if context.kind is TaskKind.MULTICLASS else f"{y[0]:g}"
        raise DataError(
            f"every one of the {train.rows:,} labels is {shown}: there is nothing to predict",
            mend="change the target, the window or the population",
        )
    return []
