"""Drift: which features of the last window are not as they usually are, each by its own past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foretell.features.matrix import Floats
from foretell.lifecycle.monitor.histograms import Histograms
from foretell.lifecycle.monitor.usual import (
    RECENT,
    SPANS,
    above,
    discoveries,
    distances,
    enough,
    look_back,
    tail,
    together,
)

RATE = 0.01
"""Of the features said to drift, the share that may do so by chance."""
UNLIKELY = 0.005
"""How unlikely a thing must be that is looked at alone: all features together, the predictions."""
TELLS_TIME = 0.3
"""A feature whose windows usually lie so far apart (KS) tells the time, such as everyone's mean outcome."""
MATTERS = 0.05
"""A smaller KS than this moves no prediction, however unusual it is."""


@dataclass(frozen=True)
class FeatureDrift:
    """One feature in the last window beside those before it.

    `ks` and `psi` are its distances from them (of the last three windows where those tell more), `usual` the
    KS that it has had, and `p` how likely such distances were, by its own past. `history` is the KS of the
    windows, the last one's at the end. Shares of missing and of unseen categories are of the last window, and
    beside them those of the past; unseen is nan for numbers.
    """

    name: str
    ks: float
    psi: float
    usual: float
    p: float
    drifts: bool
    missing: float
    missing_before: float
    unseen: float
    unseen_before: float
    history: tuple[float, ...]

    @property
    def tells_time(self) -> bool:
        """Whether its windows always lie far apart, so that nothing can be read from it."""
        return self.usual >= TELLS_TIME

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ks": self.ks,
            "psi": self.psi,
            "usual_ks": self.usual,
            "p": self.p,
            "drifts": self.drifts,
            "missing": self.missing,
            "missing_before": self.missing_before,
            "unseen": self.unseen,
            "unseen_before": self.unseen_before,
            "history": list(self.history),
        }


@dataclass(frozen=True)
class Drift:
    """All features of the last window. `p` is how likely it is that they are as far off together; nan where
    the past is too short to say. `windows` are those looked at, the last included.
    """

    features: tuple[FeatureDrift, ...]
    p: float
    windows: int
    rows: int

    @property
    def known(self) -> bool:
        """Whether there is past enough to say what is usual."""
        return enough(self.windows)

    @property
    def drifting(self) -> tuple[FeatureDrift, ...]:
        """The features that drift, the least likely first."""
        return tuple(sorted((f for f in self.features if f.drifts), key=lambda f: (f.p, -f.ks)))

    @property
    def unusual(self) -> bool:
        """Whether the features together are where they never are."""
        return self.p < UNLIKELY

    def to_dict(self) -> dict[str, Any]:
        return {
            "windows": self.windows,
            "rows": self.rows,
            "known": self.known,
            "p": self.p,
            "drifting": len(self.drifting),
            "features": [f.to_dict() for f in self.features],
        }


def drift(held: Histograms, rate: float = RATE) -> Drift:
    """Hold the last window's features against those before it, each against its own past differences.

    With one feature `rate` is the likelihood below which it is said to drift.
    """
    rows = int(held.counts[0, -1].sum()) if len(held.names) else 0
    if not enough(held.windows) or not len(held.names):
        return Drift(tuple(_unknown(held, i) for i in range(len(held.names))), np.nan, held.windows, rows)
    back = look_back(held.windows)
    sizes = held.counts[:1].sum(axis=-1)[0]  # rows of each window
    spans = [s for s in SPANS if held.windows - back - s - RECENT >= 3]
    found = {s: distances(held.counts, held.ordered, back, s) for s in spans}
    likely = []
    for span, (ks, psi) in found.items():
        chance = 1 / sizes[-span:].sum() + 1 / max(1.0, sizes[-span - back : -span].sum())
        likely += [tail(ks**2, chance, span), tail(psi, chance * (held.counts.shape[-1] - 1), span)]
    p = together(np.stack(likely))
    last = np.stack([ks[:, -1] for ks, _ in found.values()])  # (spans, features)
    which = last.argmax(axis=0)
    most = last.max(axis=0)
    p = np.where(most < MATTERS, np.maximum(p, 0.5), p)
    drifts = discoveries(p, rate)
    shown = found[spans[0]][0]
    missing = held.missing
    told = []
    for i, name in enumerate(held.names):
        span = spans[which[i]]
        ks, psi = found[span]
        told.append(
            FeatureDrift(
                name,
                float(ks[i, -1]),
                float(psi[i, -1]),
                float(np.sqrt((ks[i, : -1 - RECENT] ** 2).mean())),
                float(p[i]),
                bool(drifts[i]),
                float(missing[i, -1]),
                float(missing[i, :-1].mean()),
                float(held.unseen[i, -1]),
                float(held.unseen[i, 1:-1].mean()),
                tuple(shown[i].tolist()),
            )
        )
    return Drift(tuple(told), _overall(shown), held.windows, rows)


def _overall(ks: Floats) -> float:
    """How likely it is that all features lie so far off together, by the past. (features, windows)"""
    usual = np.sqrt((ks[:, : -1 - RECENT] ** 2).mean(axis=1, keepdims=True))
    moved = usual[:, 0] > 0
    if not moved.any():
        return 1.0
    level = np.log((ks[moved] / usual[moved]).mean(axis=0) + 1e-9)
    return above(level)


def _unknown(held: Histograms, i: int) -> FeatureDrift:
    """A feature of which it cannot be said what is usual."""
    nan = float("nan")
    missing = held.missing[i]
    before = float(missing[:-1].mean()) if held.windows > 1 else nan
    now, then = held.unseen[i, -1], held.unseen[i, 1:-1]
    earlier = float(then.mean()) if then.size else nan
    return FeatureDrift(
        held.names[i], nan, nan, nan, nan, False, float(missing[-1]), before, float(now), earlier, ()
    )
