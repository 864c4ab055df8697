"""A row's past labels are the same whatever other cutoffs it is asked with."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_plans import task

from foretell.core.time import DAY, Instant, Offset, Unit, parse_instant
from foretell.features.lower import target_plan
from foretell.plan import nodes
from foretell.plan.lattice import MOST, looking_back
from foretell.plan.nodes import Until

LAST = parse_instant("2024-03-31")


def past(step: Offset, horizon: Offset) -> nodes.PastLabels:
    target = replace(target_plan(task("churn")), horizon=horizon)
    return nodes.PastLabels(target, step, 24, Until.CUTOFF)


def seen(plan: nodes.PastLabels, cutoffs: list[Instant], cutoff: Instant) -> list[tuple[Instant, Instant]]:
    """The earlier cutoffs that a row of one cutoff sees within its 24 steps."""
    made = looking_back(plan, cutoffs, -(2**60))
    edge = Offset(-24 * plan.step.amount, plan.step.unit).after(cutoff)
    phase = made.phases[cutoff]
    return [(at, known) for at, known, of in made.earlier if of == phase and edge < known <= cutoff]


@pytest.mark.parametrize(
    ("step", "horizon"),
    [
        (Offset(30), Offset(30)),
        (Offset(7), Offset(30)),
        (Offset(1, Unit.MONTH), Offset(1, Unit.MONTH)),
        (Offset(1, Unit.QUARTER), Offset(2, Unit.MONTH)),
    ],
)
def test_company_does_not_matter(step: Offset, horizon: Offset) -> None:
    plan = past(step, horizon)
    quarters = [LAST - k * 7 * DAY - k * DAY // 2 for k in range(20)]
    months = [Offset(-k, Unit.MONTH).after(LAST) for k in range(20)]
    for cutoff in (LAST, quarters[3], months[1], months[5]):
        alone = seen(plan, [cutoff], cutoff)
        assert seen(plan, [*quarters, *months], cutoff) == alone
        assert len(alone) >= 23
        assert all(at < known <= cutoff for at, known in alone)


def test_many_cutoffs_share_one_lattice() -> None:
    plan = past(Offset(30), Offset(30))
    cutoffs = [LAST - k * 3_600_000_000 for k in range(MOST + 1)]
    made = looking_back(plan, cutoffs, -(2**60))
    assert set(made.phases.values()) == {0}
    assert len(made.earlier) < 60


def test_nothing_before_the_first_row_that_counts() -> None:
    plan = past(Offset(30), Offset(30))
    assert looking_back(plan, [LAST], None).earlier == ()
    made = looking_back(plan, [LAST], LAST - 100 * DAY).earlier
    assert [LAST - at for at, _, _ in made] == [90 * DAY, 60 * DAY, 30 * DAY]
