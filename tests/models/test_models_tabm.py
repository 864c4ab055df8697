"""TabM: what it learns, that a seed decides it, and that it returns from its files."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from synthetic import CLASSES, make, split

from foretell.core.errors import MissingExtraError, ModelFileError
from foretell.features.matrix import Matrix, Numeric
from foretell.models.base import Context
from foretell.models.criteria import METRICS, criterion_for
from foretell.models.dataset import Dataset
from foretell.models.fitted import _load_member
from foretell.models.linear import LinearLearner
from foretell.models.tabm import TabMFitted, TabMLearner
from foretell.models.tabm.recipe import Recipe
from foretell.task.model import TaskKind

torch = pytest.importorskip("torch")
pytest.importorskip("tabm")

B, R, M = TaskKind.BINARY, TaskKind.REGRESSION, TaskKind.MULTICLASS
SMALL = TabMLearner(recipe=Recipe(members=8, width=32, batch=64, epochs=12, patience=4))


def context(kind: TaskKind, **options: int) -> Context:
    return Context(kind, criterion_for(kind), CLASSES if kind is M else (), threads=1, **options)


@pytest.mark.parametrize("kind", [B, R, M])
def test_it_foretells_better_than_the_mean_and_returns_from_its_files(kind: TaskKind) -> None:
    train, valid, test = split(make(kind, entities=150), 4, 1)
    fitted = SMALL.fit(train, valid, context(kind))
    got = fitted.predict(test.X)
    metric = criterion_for(kind)
    mean = np.eye(3)[train.y.astype(int)].mean(axis=0) if kind is M else train.y.mean()
    assert metric.gain(test.y, got) > metric.gain(test.y, np.broadcast_to(mean, got.shape).copy())
    assert 1 <= fitted.epochs <= SMALL.recipe.epochs
    told = fitted.contributions(test.X)
    assert not told.values.any() and told.total.shape == got.shape and fitted.importance() == {}
    files = fitted.dump()
    again = _load_member(files)
    assert isinstance(again, TabMFitted) and again.dump() == files
    np.testing.assert_array_equal(again.predict(test.X), got)
    assert fitted.predict(test.X.take(np.empty(0, dtype=np.intp))).shape == (0, *got.shape[1:])
    with pytest.raises(ModelFileError):
        _load_member({**files, "tabm.safetensors": "text"})


def crossed(rows: int, seed: int) -> Dataset:
    """A label that is the sign of a product: neither factor alone tells anything."""
    x = np.random.default_rng(seed).normal(size=(rows, 2))
    X = Matrix(("a", "b"), (Numeric(x[:, 0]), Numeric(x[:, 1])), rows)
    index = np.arange(rows, dtype=np.int64)
    return Dataset(X, (x.prod(axis=1) > 0).astype(np.float64), index, index)


def test_it_learns_what_a_linear_model_cannot() -> None:
    train, valid, test = (crossed(rows, seed) for seed, rows in enumerate((1200, 300, 300)))
    auroc = METRICS["auroc"]
    curved = SMALL.fit(train, valid, context(B)).predict(test.X)
    straight = LinearLearner().fit(train, valid, context(B)).predict(test.X)
    assert auroc.score(test.y, curved) > 0.9 > 0.65 > auroc.score(test.y, straight)


def test_a_seed_decides_everything_and_nothing_else_is_moved() -> None:
    train, valid, test = split(make(B, entities=60), 4, 1)
    torch.manual_seed(1)
    first = SMALL.fit(train, valid, context(B))
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert drawn == torch.rand(1)
    second = SMALL.fit(train, valid, context(B))
    other = SMALL.fit(train, valid, context(B, seed=1))
    np.testing.assert_array_equal(first.predict(test.X), second.predict(test.X))
    assert np.abs(first.predict(test.X) - other.predict(test.X)).max() > 0


def test_on_all_rows_it_trains_for_the_epochs_that_were_chosen() -> None:
    train, valid, test = split(make(R, entities=60), 4, 1)
    fitted = SMALL.fit(train, valid, context(R))
    again = fitted.refit(train, context(R))
    assert again.epochs == fitted.epochs
    np.testing.assert_allclose(again.predict(test.X), fitted.predict(test.X), atol=1e-6)
    alone = SMALL.fit(train, None, context(R))
    assert alone.epochs == SMALL.recipe.epochs // 2


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    train, valid, _ = split(make(R, entities=20), 4, 1)
    monkeypatch.setitem(sys.modules, "tabm", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'foretell\[deep\]'"):
        SMALL.fit(train, valid, context(R))
