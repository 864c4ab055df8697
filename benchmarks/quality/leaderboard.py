"""Results of relbench.py, kept as JSON, and LEADERBOARD.md made of them beside what others published.

    python benchmarks/quality/leaderboard.py

writes the page again from `results/relbench.json` and `published.toml`; relbench.py does so after each run.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results/relbench.json"
PUBLISHED = HERE / "published.toml"
PAGE = HERE.parent / "LEADERBOARD.md"
REGIMES = {
    "S": "Seed-time: each row sees everything before its own cutoff",
    "F": "Frozen: history ends where the split begins, for every row",
}
FAMILIES = {"trees": "foretell, trees", "net": "foretell, deep net", "blend": "foretell, blend"}
HEAD = """# Leaderboard

RelBench's entity tasks, by name and regime: AUROC in points (higher is better), MAE in units of the target
(lower is better), the mean over seeds with the lowest and highest. **Others' figures are for the test split,
ours for the split that is named**: they stand beside ours for orientation and are not a ranking.
`python benchmarks/quality/relbench.py --write` measures; `quality/published.toml` says where others' figures
are from. Simple rules follow the regime: they read past labels as far as the row may see.
"""


def keep(entry: Mapping[str, Any], place: Path = RESULTS) -> None:
    """Put a result in the file; it takes the place of an earlier one of the same task, split, regime and
    choice.
    """
    held = json.loads(place.read_text()) if place.exists() else []
    others = [e for e in held if _key(e) != _key(entry)]
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(sorted([*others, dict(entry)], key=_key), indent=1) + "\n")


def _key(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry[k]) for k in ("task", "regime", "split", "model"))


def page(results: Sequence[Mapping[str, Any]], published: Sequence[Mapping[str, Any]]) -> str:
    """The leaderboard as Markdown: a table for each task and regime that either side has figures of."""
    tasks = {e["task"] for e in results} | {k for m in published for k in m if "/" in k}
    parts = [HEAD]
    for task in sorted(tasks):
        parts.append(f"## {task}\n")
        for regime, words in REGIMES.items():
            lines = [*_ours(results, task, regime), *_theirs(published, task, regime)]
            if lines:
                head = "| method | split | score | seeds | s a seed | source |\n|---|---|---|---|---|---|"
                parts.append(f"{words}.\n\n{head}\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _ours(results: Sequence[Mapping[str, Any]], task: str, regime: str) -> Iterator[str]:
    for entry in results:
        if (entry["task"], entry["regime"]) != (task, regime):
            continue
        for name, values in entry["scores"].items():
            seconds = f"{mean(entry['seconds']):,.0f}" if name in FAMILIES else ""
            score = shown(entry["metric"], mean(values))
            if len(values) > 1 and min(values) < max(values):
                low, high = (shown(entry["metric"], v) for v in (min(values), max(values)))
                score += f" ({low} to {high})"
            bold = f"**{FAMILIES[name]}**" if name in FAMILIES else name
            source = f"`--time-limit {entry['time_limit']:g} --model {entry['model']}`"
            yield f"| {bold} | {entry['split']} | {score} | {len(values)} | {seconds} | {source} |"


def _theirs(published: Sequence[Mapping[str, Any]], task: str, regime: str) -> Iterator[str]:
    for method in published:
        if method["regime"] == regime and task in method:
            source = method["source"] + (", placed by its figures" if method.get("placed") else "")
            yield f"| {method['name']} | test | {method[task]:g} | | | {source} |"


def shown(metric: str, value: float) -> str:
    """A score as the tables have it.

    >>> shown("auroc", 0.80912), shown("mae", 2.7204)
    ('80.91', '2.720')
    """
    return f"{100 * value:.2f}" if metric == "auroc" else f"{value:.3f}"


def write() -> None:
    """Make the page of what is kept."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    PAGE.write_text(page(results, tomllib.loads(PUBLISHED.read_text())["method"]))


if __name__ == "__main__":
    write()
