"""The report of a model: one HTML file that tells what was asked, of which data, how well it is answered, on
what the answers rest, and what to beware of.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foretell.core.errors import DataError
from foretell.core.text import plural
from foretell.core.time import format_instant
from foretell.explain.explanation import EntityExplanation
from foretell.lifecycle.batches import batches, predictions_of
from foretell.lifecycle.registry import Event, Registry
from foretell.lifecycle.version import Reference, Version
from foretell.patterns.finding import Patterns
from foretell.prediction.database import OpenDatabase
from foretell.prediction.model import Model
from foretell.report.backtest import READ
from foretell.report.backtest_page import backtest_section
from foretell.report.chart import known
from foretell.report.explained_page import drivers_section, reasons_section
from foretell.report.numbers import moment
from foretell.report.page import (
    Code,
    Drawing,
    Drawings,
    Fold,
    Page,
    Part,
    Points,
    Section,
    Words,
    drawings,
    grid,
    html,
)
from foretell.report.patterns_page import patterns_section
from foretell.report.plots import labels_plot
from foretell.report.schema import guesses, headline
from foretell.report.schema_graph import MANY, schema_svg

OLD = "this model was made by an earlier release that did not keep it: fit it again to see it here"


@dataclass(frozen=True)
class Extras:
    """What a model's file does not hold. `version`, `history` and `audit` are of a registry; `predictions`
    are rows as dicts, highest first, with what they say in `meaning`; `explained` are reasons of single
    entities; `patterns` are of its database.
    """

    version: Version | None = None
    history: tuple[Event, ...] = ()
    audit: Mapping[str, Any] | None = None
    predictions: tuple[Mapping[str, Any], ...] = ()
    meaning: str = ""
    explained: tuple[EntityExplanation, ...] = ()
    patterns: Patterns | None = None
    warnings: tuple[str, ...] = ()


def model_report(model: Model, extras: Extras | None = None) -> str:
    """The report as one HTML file that loads nothing; needs the extra `report`.

    All that is in the model is told without a database: the question, its schema, the data as it was, the
    backtest, the drivers. `extras` add what lies elsewhere.
    """
    more = extras or Extras()
    backtest = model.backtest
    verdict = (
        backtest["verdict"] if backtest else "No backtest could be made: nothing says how good this model is."
    )
    level = "look" if backtest is None or not backtest["beats_baseline"] else "ok"
    if more.audit is not None and not more.audit["clean"]:
        verdict, level = f"{more.audit['verdict']} {verdict}", "bad"
    name = f"{more.version}: " if more.version is not None else ""
    lead = [Words(_made(model, more), "dim"), Code(model.query or "labels of one's own")]
    sections = [
        _data(model, more),
        backtest_section(backtest),
        drivers_section(model),
        reasons_section(more.predictions, more.meaning, more.explained),
        patterns_section(more.patterns),
        _audit(more),
        _card(model, more),
    ]
    return html(
        Page(
            title=f"{name}{model.description}",
            verdict=verdict,
            level=level,
            lead=tuple(lead),
            sections=tuple(s for s in sections if s is not None),
            footer=f"Made by foretell {model.facts.get('packages', {}).get('foretell', '')}. "
            "All that is stated here is an association found in data, not a cause.",
        )
    )


def write_report(path: str | os.PathLike[str], model: Model, extras: Extras | None = None) -> Path:
    """Write the report of a model to a file; where that is."""
    place = Path(path)
    place.write_text(model_report(model, extras), encoding="utf-8")
    return place


def kept(registry: Registry, reference: str | Reference, *, top: int = 10) -> Extras:
    """What a registry holds of a version: its audit, what was done to it, its last written predictions."""
    version = registry.version(reference)
    written = [b for b in batches(registry, version.name) if b.version == version.number]
    rows: tuple[Mapping[str, Any], ...] = ()
    said = ""
    if written:
        last = written[-1]
        rows = tuple(predictions_of(registry, last).slice(0, top).to_pylist())
        said = (
            f"The highest of the {plural(last.rows, 'prediction')} as of "
            f"{moment(format_instant(last.cutoff))}, written to {last.destination}."
        )
    return Extras(
        version=version,
        history=registry.history(version.name),
        audit=version.record.get("audit"),
        predictions=rows,
        meaning=said,
    )


def scored(
    extras: Extras, model: Model, database: OpenDatabase, *, top: int = 10, closely: int = 3
) -> Extras:
    """The extras with the `top` highest predictions on a database, `closely` of them explained one by one.

    Where the database has nothing left to predict, the extras with a note of that.
    """
    try:
        said = model.predict(database, explain=top)
    except DataError as error:
        return replace(extras, warnings=(*extras.warnings, f"no predictions: {error.message}"))
    highest = said.head(top)
    names = highest.table.column_names[: len(said.key)]
    keys = [tuple(row[n] for n in names) for row in highest.head(closely).rows()]
    return replace(
        extras,
        predictions=tuple(highest.rows()),
        meaning=said.meaning,
        explained=tuple(model.explain(key if len(key) > 1 else key[0], database) for key in keys),
    )


def _made(model: Model, more: Extras) -> str:
    facts = model.facts
    parts = [f"learned from {facts['database']}"] if facts.get("database") else []
    if facts.get("rows"):
        parts.append(f"{plural(facts['rows'], 'row')} of {plural(facts['entities'], 'entity', 'entities')}")
    if facts.get("last_cutoff"):
        parts.append(f"the last cutoff {moment(facts['last_cutoff'])}")
    if more.version is not None:
        parts.append(f"kept {moment(format_instant(more.version.created))}")
    return (", ".join(parts)[:1].upper() + ", ".join(parts)[1:] + ".") if parts else ""


def _data(model: Model, more: Extras) -> Section:
    """The schema, and what the data said of itself when the model was made."""
    schema, health = model.task.schema, model.facts.get("health")
    entity = model.task.entity.name
    counts = (health or {}).get("tables", {})
    blocks: list[Any] = [
        Words(
            f"{headline(schema, model.facts.get('database') or 'The database')}. Arrows lead from a row to "
            "the one it points at; dashed ones are guesses. The table in the thick frame holds the entities."
            + (" Faint lines: reached over another table as well." if len(schema.active_links) > MANY else "")
        ),
        Drawings((Drawing("Tables and links", schema_svg(schema, entity, counts), wide=True),)),
    ]
    rows = []
    for table in schema.tables:
        if table.ignored:
            continue
        path = schema.time_path(table.name)
        told = "none" if path is None else path[1] if not path[0] else f"{path[0][-1].end}.{path[1]}"
        count, key = counts.get(table.name, table.rows), " + ".join(table.primary_key) or "none"
        rows.append((table.name, f"{count:,}", key, told, f"{len(table.columns):,}"))
    blocks.append(
        Fold(
            "The tables and links in words",
            (
                grid("Tables", ("table", "rows:", "key", "time of a row", "columns:"), rows),
                Points(tuple(str(k) for k in schema.active_links)),
            ),
        )
    )
    unsure = tuple(guesses(schema))
    if unsure:
        blocks.append(Fold(f"{plural(len(unsure), 'guess', 'guesses')} about it, and why", (Points(unsure),)))
    told_of = [*(health["warnings"] if health else ()), *more.warnings]
    notes = list(dict.fromkeys([*told_of, *model.notes]))
    if notes:
        blocks.append(Part("What to look at", (Points(tuple(notes)),)))
    own = tuple(n for n in (health["notes"] if health else ()) if n not in notes)
    if own:
        blocks.append(Fold(f"{plural(len(own), 'note')} on the data", (Points(own),)))
    blocks.append(Part("Labels", _labels(health)))
    return Section("data", "The data", tuple(blocks))


def _labels(health: Mapping[str, Any] | None) -> tuple[Any, ...]:
    if health is None:
        return (Words(f"Labels: {OLD}.", "dim"),)
    told = health["labels"]
    blocks: list[Any] = [Words(_totals(told))]
    plot = labels_plot(told)
    if plot is not None:
        blocks.append(drawings([plot]))
    if told["classes"]:
        counts = sorted(told["classes"].items(), key=lambda item: -item[1])[:20]
        rows = [(name, f"{n:,}", f"{n / max(1, told['rows']):.1%}") for name, n in counts]
        blocks.append(Fold("Classes", (grid("The commonest classes", ("class", "rows:", "share:"), rows),)))
    names = {"train": "learned from", "valid": "chosen on", "test": "judged on"}
    spans = [
        (names[k], f"{f['rows']:,}", moment(f["first"]), moment(f["last"]))
        for k, f in health["folds"].items()
    ]
    blocks.append(grid("Folds of the backtest", ("rows are", "rows:", "first cutoff", "last cutoff"), spans))
    dropped = tuple(f"{plural(n, 'row')} left out: {why}" for why, n in told["dropped"].items() if n)
    return (*blocks, *((Points(dropped, "dim"),) if dropped else ()))


def _totals(told: Mapping[str, Any]) -> str:
    text = (
        f"{plural(told['rows'], 'row')} of {plural(told['entities'], 'entity', 'entities')} "
        f"at {plural(len(told['cutoffs']), 'cutoff')}"
    )
    if told["positives"] is not None:
        text += f"; for {told['positives'] / max(1, told['rows']):.0%} it came true"
    elif known(told["mean"]):
        text += f"; on average {told['mean']:,.4g}"
    return f"{text}."


def _audit(more: Extras) -> Section:
    told = more.audit
    if told is None:
        said = "No audit is kept with this model: foretell audit DATABASE QUERY looks for leaks."
        return Section("audit", "Leak audit", (Words(said, "look"),))
    blocks: list[Any] = [Words(told["verdict"], "ok" if told["clean"] else "bad")]
    rows = []
    for d in told["detectors"]:
        said = d["found"] if d["outcome"] == "skipped" else ": ".join(filter(None, [d["did"], d["found"]]))
        rows.append((d["name"], d["outcome"], said))
    blocks.append(grid("What was tried", ("detector", "outcome", "what it did, and found"), rows))
    for d in told["detectors"]:
        if d["outcome"] == "failed" and d.get("mend"):
            blocks.append(Part(f"To mend {d['name']}", (Code(d["mend"]),)))
    return Section("audit", "Leak audit", tuple(blocks))


def _card(model: Model, more: Extras) -> Section:
    """The model card: what it is, what it is for, where it ends, and how to make it again."""
    facts, fitted = model.facts, model.fitted
    recipe = facts.get("recipe") or {}
    rows = [
        ("kind", model.task.kind.value),
        ("members", ", ".join(f"{w:.0%} {m.name}" for m, w in zip(fitted.members, fitted.weights)) or "none"),
        ("features", f"{len(model.features):,} used of {model.features.tried:,} tried"),
        ("seed", str(facts.get("seed", "–"))),
        ("time limit", f"{facts['time_limit']:g} s" if facts.get("time_limit") else "–"),
        ("snapshot of the data", str(facts.get("snapshot", "–"))),
        ("packages", ", ".join(f"{n} {v}" for n, v in (facts.get("packages") or {}).items()) or "–"),
    ]
    if more.version is not None:
        rows.append(("file", f"sha256 {more.version.sha256}"))
    blocks: list[Any] = [grid("How it was made", ("fact", "value"), rows)]
    blocks.append(Part("What it is for", (Points(_uses(model)),)))
    blocks.append(Part("Where it ends", (Points(_limits(model)),)))
    left = tuple(str(x) for x in model.features.left_out)
    if left:
        blocks.append(Fold("Features left out", (Points(left),)))
    used = tuple(f.description for f in model.features.features)
    blocks.append(Fold(f"The {plural(len(used), 'feature')} in use", (Points(used[:400]),), printed=False))
    blocks.append(Part("To make it again", (Code(_again(model, more, recipe)),)))
    if more.history:
        done = [
            (moment(format_instant(e.at)), e.action, "–" if e.version is None else str(e.version), e.reason)
            for e in more.history
        ]
        table = grid("What was done to this model", ("when", "what", "version:", "why"), done)
        blocks.append(Fold(f"History: {plural(len(done), 'entry', 'entries')}", (table,)))
    return Section("card", "Model card", tuple(blocks))


def _uses(model: Model) -> tuple[str, ...]:
    task = model.task
    entity = task.entity.name
    return (
        f"Scores for rows of {entity} as the question states, from what is known at the cutoff.",
        "Ranking, and planning for groups; for one entity the score is a probability, not a fact."
        if task.kind.value == "binary"
        else "Planning with the stated interval or probability, not with the single figure alone.",
        str(model.regime),
    )


def _limits(model: Model) -> tuple[str, ...]:
    told, backtest = [], model.backtest
    if backtest is None:
        told.append("there is no backtest: do not rely on it")
    else:
        if not backtest["beats_baseline"]:
            rule = backtest["best_baseline"]
            told.append(f"it does not surely beat the simple rule “{rule}”: that rule is cheaper and as good")
        told += backtest.get("notes") or ()
        told += backtest.get("left_out") or ()
        name = READ.get(backtest["metric"], (backtest["metric"], ""))[0]
        told.append(
            f"{name} is measured up to {moment(_last(model))}; later the world may change: grade it "
            "(foretell grade) and watch it (foretell monitor)"
        )
    told += [
        "its reasons are associations: changing what a reason names need not change the outcome",
        "where it decides about people, look first at how it does for groups that law or fairness protects: "
        "no feature was left out for their sake",
    ]
    return tuple(told)


def _last(model: Model) -> str:
    slices = (model.backtest or {}).get("slices") or ()
    return str(slices[-1]["name"]).rpartition(" … ")[2] if slices else "the end of its test"


def _again(model: Model, more: Extras, recipe: Mapping[str, Any]) -> str:
    """The command that fits it again on the same data."""
    words = ["foretell", "fit", str(model.facts.get("database") or "DATABASE")]
    words.append(model.query or "QUERY")
    words += ["--name", more.version.name if more.version is not None else "NAME"]
    if recipe:
        words += ["--time-limit", f"{recipe['time_limit']:g}", "--seed", str(recipe["seed"])]
        if recipe["model"] != "auto":
            words += ["--model", recipe["model"]]
        if recipe["features"] != "standard":
            words += ["--features", recipe["features"]]
    return shlex.join(words)
