"""How often trends and changes are claimed of levels that only wander, and how often planted ones are found.

    python benchmarks/patterns/levels.py [--repeats 100]      # writes results/levels.json

Orders per day follow a season of the week and of the year, noise that remembers (AR(1) from day to day, 0.3
on the scale of logarithms), and what is planted: a rise by 80% from end to end, or a step by 35% at a third
of history. A claim is a candidate that the later part confirms by Bonferroni at 5% among its miner's
candidates. Beside it stands the naive look at weekly counts: least squares, or the best two means, with
independent weeks, at |t| > 3 and 4.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from foretell.core.time import DAY, parse_instant
from foretell.features.matrix import Floats
from foretell.patterns.candidate import Miner
from foretell.patterns.mine.changes import mine_changes
from foretell.patterns.mine.grid import choose
from foretell.patterns.mine.levels import Level, fit
from foretell.patterns.mine.trends import mine_trends
from foretell.patterns.sheet import Outcome, Part, Sheet
from foretell.patterns.statistics import estimate

RESULTS = Path(__file__).parent / "results" / "levels.json"
MINERS: dict[str, Miner] = {"trends": mine_trends, "changes": mine_changes}
PLANTED: dict[str, Callable[[Floats], Floats]] = {
    "nothing": lambda f: 0 * f,
    "a rise": lambda f: np.log(1.8) * f,
    "a step": lambda f: np.log(1.35) * (f > 1 / 3),
}


def orders(seed: int, planted: Callable[[Floats], Floats], days: int, memory: float) -> Sheet:
    """Orders with an amount each, split at 60% of the days. A memory of 1 is a random walk."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(size=days) * (0.02 if memory >= 1 else 0.3 * np.sqrt(1 - memory**2))
    noise = np.zeros(days)
    for day in range(1, days):
        noise[day] = memory * noise[day - 1] + shocks[day]
    day = np.arange(days)
    season = np.array([0.0, 0.2, 0.4, 0.3, 0.5, -0.8, -0.9])[day % 7]
    season = season + (0.3 * np.sin(2 * np.pi * day / 365.2425 + seed) if days > 1300 else 0.0)
    counts = rng.poisson(15 * np.exp(planted(day / days) + season + noise))
    of = np.repeat(day, counts)
    start = parse_instant("2020-01-01")
    times = np.sort(start + of * DAY + rng.integers(0, DAY, len(of)))
    amount = Outcome("amount", "amount", np.exp(rng.normal(size=len(of))), False)
    people = rng.integers(0, 300, len(of))
    return Sheet("orders", "orders", times, people, (), (amount,), start + round(0.6 * days) * DAY, "")


def claimed(miner: Miner, sheet: Sheet) -> bool:
    """Whether the later part confirms a candidate, on the side of the early part."""
    candidates = miner(sheet, seconds=60, seed=0).candidates
    for candidate in candidates:
        later, early = candidate.sample(Part.LATER), candidate.sample(Part.EARLY)
        found = estimate(later)
        side = np.sign(estimate(early).value - later.null)
        if found.p(later.null) < 0.05 / len(candidates) and (found.value - later.null) * side > 0:
            return True
    return False


def naive(sheet: Sheet, *, dated: bool) -> bool:
    """Whether weekly counts of the early part look like a trend or a change to whoever takes them as drawn
    independently.
    """
    grid = choose(sheet.times, sheet.split, sheet.gap)
    assert grid is not None
    counts = Level(sheet, grid).per_period(grid.first, grid.stop)[1]
    n = len(counts)
    ones = np.ones(n)
    looks = [np.arange(n) >= cut for cut in range(4, n - 4)] if dated else [np.arange(n)]
    best = 0.0
    for look in looks:
        line = fit(counts, ones, np.column_stack([ones, np.asarray(look, dtype=np.float64)]))
        best = max(best, abs(line.coefficients[1]) / np.sqrt(line.inverse[1, 1] * line.loss / (n - 2)))
    return best > (4 if dated else 3)


def main() -> None:
    """Every kind of noise with every planted thing, a line each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=100)
    repeats = parser.parse_args().repeats
    told: list[dict[str, Any]] = []
    for days, memory in ((700, 0.0), (700, 0.8), (700, 0.95), (1600, 0.8), (1600, 0.95), (1600, 1.0)):
        for name, planted in PLANTED.items():
            sheets = [orders(seed, planted, days, memory) for seed in range(repeats)]
            row: dict[str, Any] = {"days": days, "memory": memory, "planted": name}
            for kind, miner in MINERS.items():
                row[kind] = sum(claimed(miner, s) for s in sheets) / repeats
                row[f"naive {kind}"] = sum(naive(s, dated=kind == "changes") for s in sheets) / repeats
            told.append(row)
            print(", ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"repeats": repeats, "rows": told}, indent=1) + "\n")


if __name__ == "__main__":
    main()
