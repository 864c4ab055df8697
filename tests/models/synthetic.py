"""Generated datasets for the tests: entities with a temperament of their own, seen at several cutoffs."""

from __future__ import annotations

import numpy as np

from foretell.features.matrix import Categorical, Matrix, Numeric
from foretell.models.dataset import Dataset
from foretell.task.model import TaskKind

DAY = 86_400_000_000
CLASSES = ("red", "green", "blue")


def make(
    kind: TaskKind,
    *,
    entities: int = 200,
    cutoffs: int = 6,
    seed: int = 0,
    noise: float = 1.0,
    extra: int = 3,
) -> Dataset:
    """`entities` × `cutoffs` rows in order of time; labels depend on a number, a category and the entity."""
    rng = np.random.default_rng(seed)
    n = entities * cutoffs
    groups = np.tile(np.arange(entities, dtype=np.int64), cutoffs)
    times = np.repeat(np.arange(cutoffs, dtype=np.int64), entities)
    mood = rng.normal(size=entities)[groups]
    x = rng.normal(size=n)
    skewed = np.exp(rng.normal(size=n) * 1.5)
    holes = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    place = rng.integers(0, 4, n)
    signal = 1.5 * x + np.array([0.0, 1.0, -1.0, 0.3])[place] + mood + 0.3 * np.log(skewed)
    y = label(kind, signal, rng, noise)
    past = history(kind, y.reshape(cutoffs, entities))
    columns = {
        "x": Numeric(x),
        "skewed": Numeric(skewed),
        "holes": Numeric(holes),
        "place": Categorical(place.astype(np.int32), ("n", "e", "s", "w")),
        **{f"noise{i}": Numeric(rng.normal(size=n)) for i in range(extra)},
        **past,
    }
    X = Matrix(tuple(columns), tuple(columns.values()), n)
    return Dataset(X, y, times * 30 * DAY, groups)


def label(kind: TaskKind, signal: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    if kind is TaskKind.BINARY:
        return (rng.random(len(signal)) < 1 / (1 + np.exp(-signal / noise))).astype(np.float64)
    if kind is TaskKind.REGRESSION:
        return 2 * signal + rng.normal(size=len(signal)) * noise
    return np.digitize(signal + rng.normal(size=len(signal)) * noise, [-1.0, 1.0]).astype(np.float64)


def history(kind: TaskKind, y: np.ndarray) -> dict[str, Numeric | Categorical]:
    """The label columns that features would give, from earlier rows; `y` is (cutoffs, entities)."""
    last = np.vstack([np.full(y.shape[1], np.nan), y[:-1]])
    if kind is TaskKind.MULTICLASS:
        mode = np.full(y.shape, -1)
        for t in range(1, len(y)):
            counts = np.stack([(y[:t] == c).sum(axis=0) for c in range(len(CLASSES))])
            mode[t] = counts.argmax(axis=0)
        codes = np.where(np.isnan(last), -1, np.nan_to_num(last)).astype(np.int32)
        return {
            "label.last": Categorical(codes.ravel(), CLASSES),
            "label.mode.all": Categorical(mode.astype(np.int32).ravel(), CLASSES),
        }
    count = np.repeat(np.arange(len(y), dtype=np.float64)[:, None], y.shape[1], axis=1)
    total = np.vstack([np.zeros(y.shape[1]), np.cumsum(y, axis=0)[:-1]])
    mean = np.divide(total, count, out=np.full(y.shape, np.nan), where=count > 0)
    return {
        "label.last": Numeric(last.ravel()),
        "label.mean.all": Numeric(mean.ravel()),
        "label.count.all": Numeric(count.ravel()),
    }


def split(data: Dataset, train: int, valid: int) -> tuple[Dataset, Dataset, Dataset]:
    """By cutoff: the first `train`, the next `valid`, the rest."""
    moment = data.cutoffs // (30 * DAY)
    return (
        data.take(moment < train),
        data.take((moment >= train) & (moment < train + valid)),
        data.take(moment >= train + valid),
    )
