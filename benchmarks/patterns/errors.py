"""How often chance alone passes for a finding, by the number of clusters that a figure rests on.

    python benchmarks/patterns/errors.py [--draws 2000]      # writes results/errors.json

The figure is a difference between two groups of rows; rows share effects of their entity (variance 0.25 of
the rest) and of their period (0.09), and groups are of rows, or of entities with a period effect of their
own. It shows from how many clusters a claim may be made (`LEAST_CLUSTERS`), and what independent rows say.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from foretell.features.matrix import Floats
from foretell.patterns import statistics
from foretell.patterns.candidate import Sample
from foretell.patterns.mine.groups import apart, modelled

RESULTS = Path(__file__).parent / "results"
CLUSTERS = ((6, 6), (8, 8), (10, 10), (15, 15), (10, 100), (100, 10), (1000, 20), (1000, 60))
ROWS = 2_000
LEVELS = (0.05, 0.01, 0.001)


def drawn(rng: np.random.Generator, entities: int, periods: int, by: str, share: float) -> Sample:
    """A contrast with nothing behind it."""
    who, when = rng.integers(0, entities, ROWS), rng.integers(0, periods, ROWS)
    own = np.zeros(periods)
    if by == "rows":
        inside = rng.random(ROWS) < share
    else:
        chosen = rng.permutation(entities)[: max(2, round(share * entities))]
        inside = np.isin(who, chosen)
        own = 0.3 * rng.normal(size=periods)
    y = rng.normal(size=ROWS) + 0.5 * rng.normal(size=entities)[who] + 0.3 * rng.normal(size=periods)[when]
    y = y + own[when] * inside
    x = inside.astype(np.float64)
    sums = np.stack([x, x * y, 1 - x, (1 - x) * y], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        floor = modelled(sums, (who, when), y**2) if 0 < x.sum() < ROWS else 0.0
    return Sample(sums, apart, who, when, int(x.sum()), ROWS, floor=floor)


def naive(sample: Sample) -> float:
    variance, _ = statistics.left_out(sample, sample.sums)
    if not variance > 0:
        return 1.0
    return float(2 * stats.norm.sf(abs(statistics.figure(sample)) / variance**0.5))


def below(p: Floats) -> list[float]:
    return [round(float((p < level).mean()), 4) for level in LEVELS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2_000)
    asked = parser.parse_args()
    statistics.LEAST_CLUSTERS = 2
    out: list[dict[str, Any]] = []
    for by in ("rows", "entities"):
        for share in (0.05, 0.3):
            for entities, periods in CLUSTERS:
                rng = np.random.default_rng([entities, periods, int(100 * share)])
                samples = [drawn(rng, entities, periods, by, share) for _ in range(asked.draws)]
                ours = np.array([statistics.estimate(s).p() for s in samples])
                bare = np.array([naive(s) for s in samples])
                out.append(
                    {
                        "groups of": by,
                        "share": share,
                        "entities": entities,
                        "periods": periods,
                        "below .05, .01, .001": below(ours),
                        "independent rows": below(bare),
                    }
                )
                print(out[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "errors.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
