"""A backtest as a section of a page: scores beside simple rules, then every plot, then figures by time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foretell.core.text import plural
from foretell.models.criteria import METRICS
from foretell.report.backtest import FAMILIES, READ, RULES
from foretell.report.chart import capital, known, number
from foretell.report.numbers import amount, moment, share, signed
from foretell.report.page import Fold, Grid, Points, Section, Words, drawings, grid
from foretell.report.plots import backtest_plots

Told = Mapping[str, Any]
NO_CURVES = (
    "The curves are missing: this model was made by an earlier release that did not keep them. Fit it again "
    "to see them."
)


def backtest_section(told: Told | None) -> Section:
    """How good the model was on rows that it had not seen."""
    if told is None:
        return Section("backtest", "Backtest", (Words("None could be made.", "look"),))
    name, meaning = READ.get(told["metric"], (told["metric"], ""))
    blocks: list[Any] = [
        Words(
            f"{plural(told['rows'], 'prediction')} for {plural(told['entities'], 'entity', 'entities')}, "
            f"each compared with what happened. {told.get('regime') or ''}".strip()
        ),
        _scores(told, name),
    ]
    if meaning:
        blocks.append(Words(capital(f"{name}: {meaning}."), "dim"))
    trust = _trust(told)
    if trust:
        blocks.append(Points(trust))
    if not told.get("curves"):
        blocks.append(Words(NO_CURVES, "dim"))
    blocks.append(drawings(backtest_plots(told)))
    if len(told["slices"]) > 1:
        blocks.append(Fold("The figures at each time", (_slices(told, told["slices"], name),)))
    if told.get("folds"):
        blocks.append(_slices(told, told["folds"], name))
    blocks.append(Fold("Every metric", (_metrics(told),)))
    return Section("backtest", "Backtest", tuple(blocks))


def _scores(told: Told, name: str) -> Grid:
    sign = 1 if METRICS[told["metric"]].higher_is_better else -1
    rows = [("the model", number(told["model"]["value"]), _span(told["model"]))]
    for family, score in (told.get("members") or {}).items():
        rows.append((f"– {FAMILIES.get(family, family)}", number(score["value"]), _span(score)))
    worst = float("inf")
    rules = sorted(
        told["baselines"].items(),
        key=lambda item: -sign * item[1]["value"] if known(item[1]["value"]) else worst,
    )
    for rule, score in rules:
        best = " (best simple rule)" if rule == told["best_baseline"] else ""
        rows.append((f"{RULES.get(rule, rule)}{best}", number(score["value"]), _span(score)))
    lift = told["lift"]
    better = signed(lift["value"]) if known(lift["value"]) else "–"
    rows.append(("the model is better than the best simple rule by", better, _span(lift)))
    return grid(capital(f"{name} of the model and of simple rules"), ("by", f"{name}:", "95% interval"), rows)


def _trust(told: Told) -> tuple[str, ...]:
    lines = []
    if known(told.get("ece")):
        lines.append(f"a stated probability is off by {100 * told['ece']:.1f} percentage points on average")
    if known(told.get("coverage")):
        lines.append(
            f"{share(told['coverage'])} of what happened lay inside its {share(told['level'])} interval"
        )
    return (*lines, *(told.get("left_out") or ()), *(told.get("notes") or ()))


def _slices(told: Told, slices: Any, name: str) -> Grid:
    binary = told["kind"] == "binary"
    extra = [
        ("yes:" if binary else "mean:", "mean", share if binary else amount),
        ("in interval:", "coverage", share),
        ("off by, points:", "ece", lambda v: f"{100 * v:.1f}"),
    ]
    extra = [e for e in extra if any(known(s.get(e[1])) for s in slices)]
    rows = []
    for s in slices:
        cells = [moment(s["name"]), f"{s['rows']:,}", number(s["model"]), _span(s), number(s["baseline"])]
        cells += ["–" if not known(s.get(key)) else show(s[key]) for _, key, show in extra]
        rows.append(cells)
    columns = ("at", "rows:", "the model:", "95% interval", "best simple rule:", *(e[0] for e in extra))
    return grid(capital(f"{name} at each time"), columns, rows)


def _metrics(told: Told) -> Grid:
    scores = told["scores"]
    metrics = list(scores["model"])
    names = [n for n in scores if any(known(v) for v in scores[n].values())]
    columns = (
        "metric",
        *(f"{'the model' if n == 'model' else RULES.get(n, FAMILIES.get(n, n))}:" for n in names),
    )
    rows = [(READ.get(m, (m, ""))[0], *(number(scores[n].get(m)) for n in names)) for m in metrics]
    return grid("Every metric of the kind, for the model and every rule", columns, rows)


def _span(score: Told) -> str:
    low, high = score.get("low"), score.get("high")
    return f"{number(low)} to {number(high)}" if known(low) and known(high) else "not known"
