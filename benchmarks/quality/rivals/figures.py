"""Measured queries as lines, as a Markdown table, and as counts of what was reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]
CALIBRATED_ROWS = 2_000
"""Test rows from which on the calibration error is counted."""
ECE = 0.03
COVERAGE, SLICES = (0.77, 0.83), (0.70, 0.90)
"""Of 80% intervals: overall, and in every time slice."""
ABSENT = "not compared: KumoRFM (a hosted service; no weights are at hand), TabPFN (no weights are at hand)"


def heading() -> str:
    head = f"{'query':34}{'learned':>9}  {'metric':9}{'model':>9}{'rule':>9} {'best rule':15}{'lift':>9}"
    return f"{head} 95% interval".ljust(118) + f"{'ece/cov':>8} {'slices':>11}{'seconds':>8}{'MB':>7}"


def lines(name: str, made: Record) -> str:
    """A query's line, and one for each rival."""
    if "skipped" in made:
        return f"{name:34}  {made['skipped']}"
    sure = made["ece"] if made["ece"] is not None else made["coverage"]
    first = (
        f"{name:34}{made['learned']:9,}  {made['metric']:9}{made['model']:9.4g}{made['rule']:9.4g} "
        f"{made['best_baseline']:15}{made['lift'][0]:+9.4g} {_interval(made['lift'])}".ljust(118)
        + f"{'-' if sure is None else f'{sure:.3f}':>8} {_slices(made):>11}"
        + f"{made['seconds']:8.0f}{made['peak_mb']:7,.0f}  {_word(made['lift'], 'the rule')}"
    )
    return "\n".join([first, *(_rival_line(r, m) for r, m in made.get("rivals", {}).items())])


def _rival_line(rival: str, made: Record) -> str:
    if "failed" in made:
        return f"    {rival}: {made['failed'][:150]}"
    part = (
        "" if made["learned"] == made["of"] else f", learned from {made['learned']:,} of {made['of']:,} rows"
    )
    tested = f" on {made['test_rows']:,} test rows" if made["ours"] is not None else ""
    return (
        f"    {rival} {made['value']:.4g} (ours {made['ours']:.4g}{tested}): lead {made['lead'][0]:+.4g} "
        f"{_interval(made['lead'])} {_word(made['lead'], rival)}; {made['features']} features, "
        f"{made['seconds']:.0f} s, {made['peak_mb']:,.0f} MB{part}"
    )


def _interval(lead: list[float | None]) -> str:
    low, high = (f"{v:+.4g}" if v is not None else "?" for v in lead[1:])
    return f"[{low}, {high}]"


def _word(lead: list[float | None], other: str) -> str:
    value, low, high = lead
    if low is not None and low > 0:
        return f"beats {other}"
    if high is not None and high < 0:
        return f"LOSES to {other}"
    return "ahead" if (value or 0) > 0 else "behind"


def _slices(made: Record) -> str:
    return "" if made["slices"] is None else f"{made['slices'][0]:.2f}–{made['slices'][1]:.2f}"


def markdown(records: Mapping[str, Record]) -> str:
    """All queries as a table; a rival's cell is its own score and foretell's lead."""
    done = {n: m for n, m in records.items() if "skipped" not in m}
    rivals = list(dict.fromkeys(r for m in done.values() for r in m.get("rivals", {})))
    head = ["query", "rows learned / tested", "metric", "model", "best rule", "lift, 95% interval"]
    head += ["ECE / coverage (slices)", "s", "MB", *(f"{r}: score, our lead" for r in rivals)]
    table = [head, ["---"] * len(head)]
    for name, m in done.items():
        sure = f"{m['ece']:.3f}" if m["ece"] is not None else f"{m['coverage']:.3f}"
        row = [name, f"{m['learned']:,} / {m['test_rows']:,}", m["metric"], f"{m['model']:.4g}"]
        row += [f"{m['rule']:.4g}", f"{m['lift'][0]:+.3g} {_interval(m['lift'])}"]
        row += [f"{sure} ({_slices(m)})" if m["slices"] else sure, f"{m['seconds']:.0f}"]
        row += [f"{m['peak_mb']:,.0f}", *(_cell(m.get("rivals", {}).get(r)) for r in rivals)]
        table.append(row)
    told = "\n".join("| " + " | ".join(row) + " |" for row in table)
    skipped = [f"- {n}: {m['skipped']}" for n, m in records.items() if "skipped" in m]
    return "\n".join([told, "", *(["Not measured:", *skipped] if skipped else [])])


def _cell(made: Record | None) -> str:
    if made is None or "failed" in made:
        return "–" if made is None else "failed"
    part = "" if made["learned"] == made["of"] else f" ({made['learned']:,} rows)"
    return f"{made['value']:.4g}, {made['lead'][0]:+.3g} {_interval(made['lead'])}{part}"


def summary(records: Mapping[str, Record]) -> str:
    """How often what is wanted was reached."""
    done = [m for m in records.values() if "skipped" not in m]
    said = [
        f"{len(done)} queries with enough rows",
        _won("the best simple rule", [m["lift"] for m in done]),
    ]
    rivals = list(dict.fromkeys(r for m in done for r in m.get("rivals", {})))
    for rival in rivals:
        met = [m["rivals"][rival] for m in done if rival in m.get("rivals", {})]
        said.append(_won(rival, [m["lead"] for m in met if "lead" in m]))
        failed = sum("failed" in m for m in met)
        if failed:
            said[-1] += f"; it failed on {failed}"
    large = [m["ece"] for m in done if m["ece"] is not None and m["test_rows"] >= CALIBRATED_ROWS]
    said.append(
        f"ECE ≤ {ECE}: {sum(e <= ECE for e in large)} of {len(large)} with ≥ {CALIBRATED_ROWS:,} test rows"
    )
    held = [m for m in done if m["coverage"] is not None]
    inside = sum(COVERAGE[0] <= m["coverage"] <= COVERAGE[1] for m in held)
    steady = sum(SLICES[0] <= m["slices"][0] and m["slices"][1] <= SLICES[1] for m in held)
    said.append(f"80% intervals cover {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}: {inside} of {len(held)}")
    said.append(f"… {SLICES[0]:.0%} to {SLICES[1]:.0%} in every time slice: {steady} of {len(held)}")
    return "\n".join([*said, ABSENT] if rivals else said)


def _won(other: str, leads: list[list[float | None]]) -> str:
    ahead = sum((v or 0) > 0 for v, _, _ in leads)
    surely = sum(low is not None and low > 0 for _, low, _ in leads)
    worse = sum(high is not None and high < 0 for _, _, high in leads)
    return f"better than {other}: {ahead} of {len(leads)} ({surely} surely; surely worse: {worse})"
