"""Draw what scaling.py measured: a panel for each axis, medians with the range of the repetitions.

python benchmarks/speed/plot.py RESULT.json PICTURE.svg
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "foretell"  # the same picture from the same figures

import matplotlib.pyplot as plt  # noqa: E402

LINES = (("cold", "cold, from Parquet"), ("warm", "warm"), ("kernel", "kernel alone"))


def main() -> None:
    result, picture = map(Path, sys.argv[1:3])
    runs = [r for r in json.loads(result.read_text())["runs"] if r["ended"] == "ok"]
    axes = list(dict.fromkeys(r["axis"] for r in runs))
    if not axes:
        raise SystemExit(f"{result} holds no run that ended well")
    figure, panels = plt.subplots(1, len(axes), figsize=(3.4 * len(axes), 3.2), squeeze=False)
    for axis, panel in zip(axes, panels[0]):
        _panel(panel, axis, [r for r in runs if r["axis"] == axis])
    panels[0][0].set_ylabel("seconds")
    panels[0][0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None})


def _panel(panel: Any, axis: str, runs: list[dict[str, Any]]) -> None:
    places = sorted({r["at"] for r in runs})
    names = {r["at"]: r["name"] for r in runs}
    for kind, label in LINES:
        found = [[t for r in runs if r["at"] == at and (t := _time(r, kind))] for at in places]
        drawn = [(at, times) for at, times in zip(places, found) if times]
        if drawn:
            where = [at for at, _ in drawn]
            middle = [statistics.median(t) for _, t in drawn]
            panel.plot(where, middle, marker="o", markersize=3, label=label)
            panel.fill_between(where, [min(t) for _, t in drawn], [max(t) for _, t in drawn], alpha=0.2)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(places, [names[at] for at in places], fontsize=8)
    panel.minorticks_off()
    panel.set_title(axis, fontsize=10)
    panel.grid(alpha=0.3)


def _time(run: dict[str, Any], kind: str) -> float | None:
    if kind == "cold":
        return float(sum(run["stages"][s][0]["seconds"] for s in run["total"]))
    times = [again["seconds"] for again in run["stages"].get(kind, [])]
    return statistics.median(times) if times else None


if __name__ == "__main__":
    main()
