"""The registry laid out for a reader: what there is, what is known of a version, what differs between two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from foretell.core.size import show_size
from foretell.core.text import listing, plural
from foretell.core.time import format_instant
from foretell.lifecycle.difference import Change, Difference
from foretell.lifecycle.registry import Event, Standing
from foretell.lifecycle.version import Version
from foretell.report.answer import stack, task_view
from foretell.report.backtest import READ, RULES
from foretell.report.layout import bullets, grid, heading, indented
from foretell.report.numbers import amount, moment, signed

SHOWN = 12
_AUDITS = {None: Text("not made", style="yellow"), True: Text("clean"), False: Text("leak", style="bold red")}
_EDITS = {"- ": "red", "+ ": "green"}


def models_view(models: Sequence[tuple[Standing, Sequence[Version]]], folder: str) -> RenderableType:
    """A line for each model: which versions answer, and how good the champion is."""
    title = heading(f"Models in {folder}")
    if not models:
        return Group(
            title, Text("none; train one with: foretell fit DATABASE QUERY --name NAME", style="dim")
        )
    view = grid(
        "name",
        "champion:",
        "challenger:",
        "versions:",
        "score",
        "lift:",
        "last cutoff:",
        "audit",
    )
    for standing, versions in models:
        champion = next((v for v in versions if v.number == standing.champion), None)
        told = champion.backtest if champion else None
        view.add_row(
            Text(standing.name, style="bold"),
            _number(standing.champion),
            _number(standing.challenger),
            str(len(versions)),
            _score(told),
            _lift(told),
            str(champion.record.get("last_cutoff", "–"))[:10] if champion else "–",
            _AUDITS[champion.clean] if champion else "–",
        )
    note = "The score is the champion's, with its 95% interval; its lift is over the best baseline."
    return Group(title, view, Text(note, style="dim"))


def version_view(version: Version, standing: Standing, history: Sequence[Event]) -> RenderableType:
    """Everything that is known of a version, and what was done to its model."""
    record = version.record
    roles = {standing.champion: "the champion", standing.challenger: "the challenger"}
    role = roles.get(version.number, "an earlier version" if standing.champion else "a version")
    title = Text(f"{version}, {role}", style="bold")
    return stack(
        [
            Group(title, indented(Text(f"kept {_moment(version.created)}, {show_size(version.size)}"))),
            task_view(str(record.get("description", ""))),
            _section("Query", version.query or "labels of one's own"),
            _backtest(version.backtest),
            _audit(record.get("audit")),
            Group(heading("How it was fitted"), indented(_pairs(_made(version)))),
            Group(heading("Features"), indented(Text(_some(record.get("features") or ())))),
            Group(heading("What was done to it and to its other versions"), _history(history)),
        ]
    )


def difference_view(found: Difference) -> RenderableType:
    """What differs, most telling first; what is equal is not listed."""
    scores = grid("", str(found.before), str(found.after))
    for change in found.scores:
        scores.add_row(change.what, _interval(change.before), _interval(change.after))
    query = Text("\n").join(Text(line, style=_EDITS.get(line[:2], "")) for line in found.query)
    features = [
        f"{plural(len(names), 'feature')} {what}: {_some(names)}"
        for what, names in (("gained", found.gained), ("lost", found.lost))
        if names
    ]
    return stack(
        [
            Text(f"{found.before} → {found.after}", style="bold"),
            Text(found.verdict),
            scores if found.scores else None,
            Group(heading("Query"), indented(query)) if found.query else None,
            Group(heading("Schema"), bullets(found.schema)) if found.schema else None,
            Group(heading("Features"), bullets([*features, f"{plural(found.shared, 'feature')} in both"])),
            _changes("Data and question", found.facts),
            _changes("Recipe", found.recipe),
            _changes("Packages", found.packages),
        ]
    )


def pruned_view(gone: Sequence[Version]) -> RenderableType:
    """What was let go."""
    if not gone:
        return Text("Nothing to let go of.")
    said = listing([str(v) for v in gone])
    return Text(f"Let go of {plural(len(gone), 'version')}: {said}.")


def _section(title: str, body: str) -> RenderableType:
    return Group(heading(title), indented(Text(body)))


def _backtest(told: Mapping[str, Any] | None) -> RenderableType:
    if told is None:
        return _section("Backtest", "none could be made")
    name = READ.get(told["metric"], (told["metric"], ""))[0]
    rule = RULES.get(told["best_baseline"], str(told["best_baseline"]))
    said = [f"{told['rows']:,} predictions for {plural(told['entities'], 'entity', 'entities')}"]
    if told.get("ece") is not None:
        said.append(f"a stated probability is off by {100 * told['ece']:.1f} percentage points on average")
    if told.get("coverage") is not None:
        said.append(f"intervals held for {told['coverage']:.0%} of them")
    view = grid("", f"{name}:", "95% interval")
    view.add_row("the model", _short(told["model"]["value"]), _span(told["model"]))
    lift = told["lift"]
    view.add_row(f"better than {rule} by", signed(lift["value"]), _span(lift))
    return Group(heading("Backtest"), indented(Group(Text("; ".join(said)), view, Text(told["verdict"]))))


def _audit(told: Mapping[str, Any] | None) -> RenderableType:
    if told is None:
        return _section("Audit", "not made: fit without --no-audit, or `foretell audit`")
    style = "" if told["clean"] else "bold red"
    parts: list[RenderableType] = [Text(told["verdict"], style=style)]
    failed = [d for d in told.get("detectors", ()) if d["outcome"] == "failed"]
    parts += [bullets([f"{d['name']}: {d['found']}. {d['mend']}".rstrip() for d in failed])] if failed else []
    return Group(heading("Audit"), indented(Group(*parts)))


def _made(version: Version) -> dict[str, str]:
    record = version.record
    cutoffs = record.get("cutoffs") or []
    packages = ", ".join(f"{n} {v}" for n, v in (record.get("packages") or {}).items())
    recipe = ", ".join(
        f"{n} {_value(v)}" for n, v in (record.get("recipe") or {}).items() if v not in (None, [])
    )
    told = {
        "rows": f"{record['rows']:,}" if "rows" in record else None,
        "cutoffs": f"{len(cutoffs)}, {moment(cutoffs[0])} to {moment(cutoffs[-1])}" if cutoffs else None,
        "database": record.get("database"),
        "snapshot": record.get("snapshot"),
        "schema": record.get("schema"),
        "recipe": recipe or None,
        "packages": packages or None,
        "file": f"sha256 {version.sha256}",
    }
    return {k: str(v) for k, v in told.items() if v is not None}


def _pairs(told: Mapping[str, str]) -> RenderableType:
    view = grid("", "", stretch="")
    view.show_header = False
    for name, value in told.items():
        view.add_row(Text(name, style="dim"), Text(value))
    return view


def _history(history: Sequence[Event]) -> RenderableType:
    view = grid("when", "what", "version:", "before:", "why", stretch="why")
    for event in history:
        numbers = [_number(event.version), _number(event.before)]
        view.add_row(_moment(event.at), event.action, *numbers, Text(event.reason))
    return indented(view)


def _changes(title: str, changed: Sequence[Change]) -> RenderableType | None:
    if not changed:
        return None
    lines = [f"{c.what}: {_value(c.before)} → {_value(c.after)}" for c in changed]
    return Group(heading(title), bullets(lines))


def _value(value: Any) -> str:
    if value is None or value in ([], ()):
        return "none"
    return listing([str(v) for v in value]) if isinstance(value, list | tuple) else str(value)


def _score(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "–"
    name = READ.get(told["metric"], (told["metric"], ""))[0]
    return f"{name} {_interval(told['model'])}"


def _lift(told: Mapping[str, Any] | None) -> Text:
    if told is None:
        return Text("–")
    lift = told["lift"]
    return Text(signed(lift["value"]), style="" if (lift["low"] or 0) > 0 else "yellow")


def _interval(score: Mapping[str, Any] | None) -> str:
    return "–" if score is None else f"{_short(score['value'])} ({_span(score)})"


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else amount(value)


def _span(score: Mapping[str, Any]) -> str:
    low, high = score["low"], score["high"]
    return "not known" if low is None or high is None or low != low else f"{_short(low)} to {_short(high)}"


def _number(version: int | None) -> str:
    return "–" if version is None else str(version)


def _moment(instant: int) -> str:
    return moment(format_instant(instant))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more or "none"
