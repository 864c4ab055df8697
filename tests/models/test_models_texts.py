"""Texts become numbers by rules learned on training rows alone, the same again from JSON."""

from __future__ import annotations

import numpy as np
import pytest

from foretell.features.matrix import Matrix, Numeric, Text
from foretell.models import texts
from foretell.models.base import Context
from foretell.models.criteria import METRICS
from foretell.models.dataset import Dataset, concat
from foretell.models.encode import LinearEncoder, TreeEncoder, fit_linear_encoder, fit_tree_encoder
from foretell.models.linear import LinearLearner
from foretell.models.texts import DIRECTIONS, TextTable, fit_text_table
from foretell.models.trees import TreeLearner, TreeRecipe
from foretell.task.model import TaskKind

BINARY = TaskKind.BINARY
CONTEXT = Context(BINARY, METRICS["auroc"], seconds=1.0)
HOPS = ("how bitter are hops in a pale ale", "when are hops added to the boil", "which hops for a pale ale")
YEAST = ("my yeast does not start at all", "which yeast for a cold cellar", "does old yeast still start")


def column(*words: str, rows: list[int] | None = None) -> Text:
    codes = range(len(words)) if rows is None else rows
    return Text(np.array(list(codes), dtype=np.int32), words)


def rows_of(table: TextTable, held: Text) -> np.ndarray:
    return np.column_stack(table.encode(held))


def test_texts_of_the_same_words_are_near_each_other() -> None:
    held = column(*HOPS, *YEAST)
    table = fit_text_table("title", held)
    places = rows_of(table, held)[:, :-1]
    near = places @ places.T / np.outer(*[np.linalg.norm(places, axis=1)] * 2)
    assert near[0, 2] > near[0, 4] and near[3, 5] > near[3, 1]


def test_missing_texts_are_missing_and_unknown_words_are_nowhere() -> None:
    table = fit_text_table(
        "title", column(*(f"{text} {text} for long enough a text" for text in HOPS + YEAST))
    )
    assert table.grams == "word"
    made = rows_of(table, column("xyzzy", rows=[0, -1]))
    assert made.shape == (2, table.width)
    np.testing.assert_allclose(made[0, :-1], 0.0, atol=0.05)
    assert made[0, -1] == pytest.approx(np.log(6))
    assert np.isnan(made[1]).all()


def test_only_texts_of_the_rows_are_learned_from_each_counted_once() -> None:
    once = fit_text_table("title", column(*HOPS, "something else", rows=[0, 1, 2]))
    assert once == fit_text_table("title", column(*HOPS, rows=[0, 1, 2, 2, 2, -1]))
    assert once != fit_text_table("title", column(*HOPS, "something else"))


def test_columns_of_one_text_or_none_say_its_length_alone() -> None:
    for held in (column("a single text", rows=[0, 0, -1]), column(rows=[-1, -1]), column("", " ")):
        table = fit_text_table("title", held)
        assert rows_of(table, held).shape == (len(held.codes), table.width)
    assert fit_text_table("title", column("a single text")).width == 1


def test_very_many_texts_are_sampled_with_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MOST_TEXTS", 50)
    held = column(*(f"{HOPS[i % 3]} {i}" for i in range(200)))
    assert fit_text_table("t", held, seed=1) == fit_text_table("t", held, seed=1)
    assert fit_text_table("t", held, seed=1) != fit_text_table("t", held, seed=2)


def asked(rows: int, seed: int, *, shuffled: bool = False) -> Dataset:
    """Questions of hops come true, those of yeast do not; shuffled, they are of other rows."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.5).astype(np.float64)
    about = rng.permutation(y) if shuffled else y
    fill = ("about", "again", "please", "today", "brewing", "at home", "help", "thanks")
    words = tuple(f"{('yeast', 'hops')[int(a)]} {' '.join(rng.choice(fill, 4))}" for a in about)
    names, codes = np.unique(words, return_inverse=True)
    held = Text(codes.astype(np.int32), tuple(names.tolist()))
    X = Matrix(("title", "n"), (held, Numeric(rng.normal(size=rows))), rows)
    return Dataset(X, y, np.arange(rows, dtype=np.int64), np.arange(rows, dtype=np.int64))


@pytest.mark.parametrize("learner", [LinearLearner(), TreeLearner(TreeRecipe("small", "binary"))])
def test_learners_learn_from_words(learner: LinearLearner | TreeLearner) -> None:
    fitted = learner.fit(asked(400, 0), None, CONTEXT)
    test = asked(200, 1)
    assert METRICS["auroc"].score(test.y, fitted.predict(test.X)) > 0.95
    assert max(fitted.importance(), key=lambda n: fitted.importance()[n]) == "title"
    told = fitted.contributions(test.X)
    assert told.names == ("title", "n")
    again = type(fitted).load(fitted.dump())
    np.testing.assert_array_equal(again.predict(test.X), fitted.predict(test.X))


def test_learners_learn_nothing_from_the_words_of_other_rows() -> None:
    fitted = LinearLearner().fit(asked(400, 0, shuffled=True), None, CONTEXT)
    test = asked(200, 1, shuffled=True)
    assert METRICS["auroc"].score(test.y, fitted.predict(test.X)) < 0.65


def test_encoders_with_texts_are_the_same_again_from_json() -> None:
    data, other = asked(100, 0), asked(30, 1).X
    tree, rows = fit_tree_encoder(data, BINARY)
    assert tree.sources == ("n", *["title"] * (DIRECTIONS + 1)) and rows.shape == (100, DIRECTIONS + 2)
    line, _ = fit_linear_encoder(data, BINARY)
    for encoder in (tree, line):
        again = type(encoder).from_json(encoder.to_json())
        assert again == encoder
        np.testing.assert_array_equal(again.encode(other), encoder.encode(other))


def test_encoders_of_earlier_files_have_no_texts() -> None:
    numbers = '{"numbers": [], "vocabularies": [], "one_hots": [], "tables": [], "table_numbers": []}'
    assert TreeEncoder.from_json(numbers).texts == () == LinearEncoder.from_json(numbers).texts


def test_text_stays_text_where_rows_are_taken_and_joined() -> None:
    both = concat(asked(10, 0), asked(10, 1).take(np.arange(5)))
    held = both.X["title"]
    assert isinstance(held, Text) and len(held.codes) == 15
    assert held.categories[held.codes[10]] in asked(10, 1).X["title"].categories
