"""Free text as a feature: where it is found, when it is known, what is too short to be one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell import Database
from foretell.features.matrix import Matrix, Text
from foretell.features.model import Attribute, Feature, FeatureSet, Kind
from foretell.features.prune import pruned
from foretell.features.texts import NAMES
from foretell.pipeline import Question
from foretell.task.regime import SEED_TIME

QUERY = "PREDICT COUNT(answers.*, 0, 30, days) > 0 FOR EACH questions.question_id"
DAY = np.timedelta64(1, "D")
START = np.datetime64("2023-01-01", "us")
FILL = ("about", "again", "please", "today", "brewing", "home", "help", "thanks", "really", "cold")


def frames(*, scrambled_from: int | None = None) -> dict[str, pa.Table]:
    """Questions of hops are answered every month; the notes to them tell nothing. Notes from row
    `scrambled_from` on have other texts.
    """
    rng = np.random.default_rng(0)
    count = 150
    born = START + rng.integers(0, 100, count) * DAY
    hops = rng.random(count) < 0.5
    titles = [f"{('yeast', 'hops')[int(h)]} {' '.join(rng.choice(FILL, 4))} {i}" for i, h in enumerate(hops)]
    of, at = [], []
    for i in range(count):
        for month in range(12):
            if rng.random() < (0.8 if hops[i] else 0.1):
                of.append(i)
                at.append(born[i] + (30 * month + int(rng.integers(1, 30))) * DAY)
    noted = rng.integers(0, count, 600)
    when = born[noted] + rng.integers(1, 330, 600) * DAY
    order = np.argsort(when, kind="stable")
    notes = [f"a note of {' '.join(rng.choice(FILL, 4))} {i}" for i in range(600)]
    if scrambled_from is not None:
        notes[scrambled_from:] = [f"scrambled {i} hops hops and hops" for i in range(scrambled_from, 600)]
    return {
        "questions": pa.table(
            {
                "question_id": np.arange(count),
                "asked_at": pa.array(born),
                "title": titles,
                "surname": [f"Smith{i % 100}" for i in range(count)],
            }
        ),
        "answers": pa.table(
            {
                "answer_id": np.arange(len(of)),
                "question_id": np.array(of),
                "answered_at": pa.array(np.array(at)),
            }
        ),
        "notes": pa.table(
            {
                "note_id": np.arange(600),
                "question_id": noted[order],
                "noted_at": pa.array(when[order]),
                "note_text": notes,
            }
        ),
    }


def opened(**given: int) -> Database:
    return foretell.connect(frames(**given), now="2024-06-01")


@pytest.fixture(scope="module")
def question() -> Iterator[Question]:
    with opened() as database:
        yield database.query(QUERY)


def matrix_of(asked: Question) -> tuple[Matrix, FeatureSet, np.ndarray]:
    lesson = asked._lesson(asked._budget(1.0), SEED_TIME)
    return lesson.matrix, lesson.features, lesson.labels.rows.cutoffs


def test_own_text_and_that_of_the_last_event_are_features(question: Question) -> None:
    matrix, features, _ = matrix_of(question)
    kinds = {f.name: f.kind for f in features.features if f.kind is Kind.TEXT}
    assert set(kinds) == {"questions.title", "notes.note_text.last_category.all"}
    assert all(isinstance(matrix[n], Text) for n in kinds)
    (names,) = [x for x in features.left_out if x.why == NAMES]
    assert "questions.surname" in names.names


def test_words_are_learned_from_and_shown_short(question: Question) -> None:
    answer = question.ask(time_limit=2, top=3)
    assert answer.backtest.model.value > 0.7
    assert any("title" in d.text for d in answer.drivers)
    shown = [
        str(reason)
        for reasons in answer.model.predict(question.database, explain=3).rows()
        for reason in reasons
    ]
    assert all(len(line) < 200 for line in shown)


def test_texts_after_the_cutoff_change_nothing(question: Question) -> None:
    before, _, cutoffs = matrix_of(question)
    later = frames()["notes"]["noted_at"].to_numpy().astype("datetime64[us]").astype(np.int64)
    half = 300
    with opened(scrambled_from=half) as database:
        after, _, _ = matrix_of(database.query(QUERY))
    name = "notes.note_text.last_category.all"

    def spoken(matrix: Matrix) -> np.ndarray:
        held = matrix[name]
        assert isinstance(held, Text)
        return np.array([held.categories[c] if c >= 0 else "" for c in held.codes], dtype=object)

    past = cutoffs < later[half]
    assert past.any() and (spoken(before)[past] == spoken(after)[past]).all()
    assert (spoken(before)[~past] != spoken(after)[~past]).any(), "what is known later does change"


def test_names_are_left_out_and_texts_are_not() -> None:
    texts = Text(np.arange(3, dtype=np.int32), ("a red door", "a blue door", "the green door"))
    names = Text(np.arange(3, dtype=np.int32), ("Ann", "Bo Li", "Cy"))
    features = FeatureSet(tuple(Feature(n, Kind.TEXT, Attribute(n), "", "t") for n in ("text", "name")))
    matrix = Matrix(("text", "name"), (texts, names), 3)
    kept = pruned(features, matrix, np.ones(3, dtype=np.bool_))
    assert kept.names == ("text",) and kept.left_out[0].why == NAMES
