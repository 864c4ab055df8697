"""The protocol: frozen before the later part is opened, judged once, and ended things are no headlines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from grouped_orders import SPLIT, orders, words
from scipy import stats

from foretell.core.time import DAY
from foretell.features.matrix import Floats, Instants
from foretell.patterns.candidate import Mined, Sample
from foretell.patterns.confirm import confirm, freeze, stability
from foretell.patterns.finding import Kind, Measured, Status
from foretell.patterns.mine.drivers import mine_drivers
from foretell.patterns.mine.subgroups import mine_subgroups
from foretell.patterns.sheet import Bools, Outcome, Part, Sheet
from foretell.patterns.statistics import benjamini_hochberg


@dataclass(frozen=True)
class Where:
    name: str = "orders"
    split: int = SPLIT


@dataclass(frozen=True, eq=False)
class Said:
    """A statement whose mean is what it is told to be; it writes down what it is asked for."""

    key: str
    early: float
    later: float
    strength: float = 5.0
    about: str = "orders"
    kind: Kind = Kind.SUBGROUP
    mask: Bools | None = None
    least: float = 0.0
    log: list[str] = field(default_factory=list)

    def sample(self, part: Part) -> Sample:
        self.log.append(f"{self.key} {part}")
        rng = np.random.default_rng(3 + (part is Part.LATER))
        level = self.early if part is Part.EARLY else self.later
        noise = rng.normal(size=600)
        sums = np.stack([np.ones(600), level + noise - noise.mean()], axis=1)
        return Sample(sums, _mean, np.arange(600) // 3, np.arange(600) % 40, 600, 600, least=self.least)

    def rows(self) -> Bools | None:
        self.log.append(f"{self.key} rows")
        return self.mask

    def series(self) -> tuple[Instants, Floats]:
        return SPLIT + np.arange(-2, 3) * DAY, np.array([1.0, 1.0, 2.0, np.nan, -1.0])

    def sentence(self, measured: Measured) -> str:
        return f"{self.key} is {measured.value:.2f}"

    def sql(self) -> str:
        return "SELECT 1 AS value, 1 AS support"


def _mean(sums: Floats) -> Floats:
    n, y = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(y / n)


def judged(*said: Said, most: int = 60) -> dict[str, Status]:
    found, _, _ = confirm([(Where(), Mined(said, 10))], most=most, seed=0)
    return {f.key: f.status for f in found}


def test_the_later_part_is_opened_only_when_the_list_stands() -> None:
    log: list[str] = []
    said = [Said(f"s{k}", 1.0, 1.0, strength=9.0 - k, log=log) for k in range(5)]
    found, searched, frozen = confirm([(Where(), Mined(tuple(said), 77))], seed=0)
    opened = [k for k, line in enumerate(log) if line.endswith(" later")]
    assert len(found) == frozen == 5 and searched == 77
    assert min(opened) > max(k for k, line in enumerate(log) if line.endswith(" rows"))
    assert all(log.index(f"s{k} early") < min(opened) for k in range(5))
    assert sum(line == "s0 later" for line in log) == 1


def test_freezing_never_reads_a_later_row() -> None:
    log: list[str] = []
    freeze([(Where(), Said(f"s{k}", 1.0, 1.0, log=log)) for k in range(5)], most=3)
    assert log and not any(line.endswith(" later") for line in log)


def changed_later(sheet: Sheet, seed: int) -> Sheet:
    """The sheet with other outcomes and attributes in its later part."""
    is_later = sheet.part(Part.LATER)
    order = np.arange(len(sheet))
    order[is_later] = np.random.default_rng(seed).permutation(order[is_later])
    return replace(
        sheet,
        attributes=tuple(a.take(order) for a in sheet.attributes),
        outcomes=tuple(replace(o, values=np.where(is_later, 0.5, o.values)) for o in sheet.outcomes),
    )


def frozen_keys(sheet: Sheet) -> list[str]:
    mined = [m(sheet, seconds=60, seed=0) for m in (mine_subgroups, mine_drivers)]
    held = [(sheet, c) for m in mined for c in m.candidates]
    return [f"{held[c.candidate][1].key} {c.early}" for c in freeze(held, most=60)]


def test_nothing_of_the_later_part_changes_what_is_mined_and_frozen() -> None:
    sheet = orders(1, payment=0.15, amount=0.6)
    keys = frozen_keys(sheet)
    assert keys and keys == frozen_keys(changed_later(sheet, 5))


def test_a_miner_that_looks_ahead_is_caught_by_the_same_check() -> None:
    def peeking(sheet: Sheet) -> list[str]:
        return frozen_keys(replace(sheet, split=int(sheet.times[-1])))

    sheet = orders(1, payment=0.15, amount=0.6)
    changed = changed_later(sheet, 5)
    assert peeking(sheet) != peeking(changed)


def test_what_holds_is_a_headline_and_what_ended_is_not() -> None:
    got = judged(
        Said("holds", 1.0, 0.9),
        Said("ended", 1.0, 0.0),
        Said("turned", 1.0, -0.8),
        Said("unsure", 0.12, 0.03),
        Said("slight", 3.0, 0.3),
        Said("small", 0.3, 0.3, least=0.5),
    )
    assert got["holds"] is Status.HEADLINE
    assert got["ended"] is got["turned"] is Status.ENDED
    assert got["unsure"] is Status.UNCONFIRMED
    assert (
        got["slight"] is got["small"] is Status.APPENDIX
    )  # sure, but not what was said, or nothing to care for


def test_all_that_were_frozen_count_as_tests() -> None:
    alone = judged(Said("a", 0.2, 0.118))
    among = judged(Said("a", 0.2, 0.118), *(Said(f"n{k}", 0.2, 0.0) for k in range(30)))
    assert alone["a"] is Status.HEADLINE
    assert among["a"] is not Status.HEADLINE


def test_kinds_and_sources_take_turns() -> None:
    many = tuple(Said(f"m{k}", 1.0, 1.0, strength=20.0) for k in range(50))
    other = Said("other", 1.0, 1.0, strength=4.0, kind=Kind.TREND)
    third = Said("third", 1.0, 1.0, strength=3.5)
    weak = Said("weak", 1.0, 1.0, strength=2.0)
    mined = [(Where(), Mined((*many, other, weak), 60)), (Where("lines"), Mined((third,), 5))]
    found, searched, frozen = confirm(mined, most=10, seed=0)
    keys = {f.key for f in found}
    assert {"other", "third"} <= keys and "weak" not in keys
    assert frozen == 10 and searched == 65


def test_statements_of_the_same_rows_are_one() -> None:
    rows = np.arange(600) < 200
    nearly = np.arange(600) < 230
    found, _, frozen = confirm(
        [
            (
                Where(),
                Mined(
                    (
                        Said("strong", 1.0, 1.0, strength=8.0, mask=rows),
                        Said("near", 1.0, 1.0, strength=6.0, mask=nearly),
                        Said("opposite", -1.0, -1.0, strength=5.0, mask=~nearly),
                        Said("of something else", 1.0, 1.0, strength=5.0, mask=rows, about="lines"),
                        Said("all", 1.0, 1.0, strength=9.0, mask=np.arange(600) < 590),
                        Said("apart", 1.0, 1.0, strength=4.0, mask=np.arange(600) >= 450),
                    ),
                    6,
                ),
            )
        ],
        seed=0,
    )
    also = {f.key: f.also for f in found}
    assert also["strong"] == ("near", "opposite")
    assert set(also) == {"strong", "of something else", "apart"} and frozen == 3


def test_candidates_of_nothing_make_no_findings() -> None:
    assert confirm([], seed=0) == ([], 0, 0)
    assert confirm([(Where(), Mined((Said("nan", float("nan"), 1.0),), 4))], seed=0) == ([], 4, 0)


def test_a_later_part_without_rows_leaves_a_statement_open() -> None:
    (found,), _, _ = confirm([(Where(), Mined((Said("gone", 1.0, float("nan")),), 1))], seed=0)
    assert found.status is Status.UNCONFIRMED and found.measured.p == 1.0


def test_stability_counts_later_periods_of_the_same_side() -> None:
    (found,), _, _ = confirm([(Where(), Mined((Said("x", 1.0, 1.0),), 1))], seed=0)
    assert found.measured.stability == 0.5  # of 2.0, nothing known, -1.0
    assert np.isnan(stability(np.array([np.nan]), 0.0, 1.0))


def planted(seed: int, *, payment: float, stops: bool = False) -> list[str]:
    sheet = orders(seed, payment=payment, stops=stops)
    mined = [(sheet, m(sheet, seconds=60, seed=0)) for m in (mine_subgroups, mine_drivers)]
    return [f.key for f in confirm(mined, seed=0)[0] if f.status is Status.HEADLINE]


def habits(seed: int) -> Sheet:
    """Orders whose customers have ways that nothing explains, and many marks that mean nothing."""
    sheet = orders(seed, rows=4_000)
    rng = np.random.default_rng(seed)
    people = int(sheet.entities.max()) + 1
    usual = rng.random(people) < 0.3
    y = np.where(rng.random(len(sheet)) < 0.9, usual[sheet.entities], rng.random(len(sheet)) < 0.3)
    marks = (rng.integers(0, 4, people)[sheet.entities] for _ in range(20))
    attributes = tuple(words(f"mark {k}", codes, tuple("abcd")) for k, codes in enumerate(marks))
    return replace(sheet, attributes=attributes, outcomes=(Outcome("way", "way", y.astype(float), True),))


def claimed(sheet: Sheet) -> int:
    """Headlines of the protocol."""
    mined = [(sheet, m(sheet, seconds=60, seed=0)) for m in (mine_subgroups, mine_drivers)]
    return sum(f.status is Status.HEADLINE for f in confirm(mined, seed=0)[0])


def claimed_at_one_look(sheet: Sheet) -> int:
    """Claims of Benjamini and Hochberg at 10% on all rows, each taken as independent."""
    y = sheet.outcomes[0].values
    p = []
    for attribute in sheet.attributes:
        for k in range(4):
            x = attribute.values.codes == k  # type: ignore[union-attr]
            error = y.std() * np.sqrt(1 / x.sum() + 1 / (~x).sum())
            p.append(2 * stats.norm.sf(abs(y[x].mean() - y[~x].mean()) / error))
    return int((benjamini_hochberg(np.array(p)) <= 0.1).sum())


def test_noise_makes_no_headlines_where_one_look_makes_many() -> None:
    sheets = [habits(seed) for seed in range(6)]
    assert sum(map(claimed, sheets)) <= 1
    assert sum(map(claimed_at_one_look, sheets)) >= 20


def test_a_true_difference_is_a_headline_and_one_that_ended_is_not() -> None:
    true = [planted(seed, payment=0.12) for seed in range(3)]
    assert all(any('pay"ment' in k for k in keys) for keys in true)
    assert not any(planted(seed, payment=0.12, stops=True) for seed in range(3))
