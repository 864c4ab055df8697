"""Features in English, and their stable names."""

from __future__ import annotations

from collections.abc import Iterable

from foretell.core.time import ABBREVIATIONS, Last, LookBack, Offset
from foretell.features.model import Aggregated, Contrast, LeftOut, Nested, Value
from foretell.plan.measures import MEASURES
from foretell.plan.nodes import Comparison, Following, Standing
from foretell.schema.model import Hop, Schema


def words(name: str) -> str:
    """A table's or column's name as words.

    >>> words("order_items"), words("driverId")
    ('order items', 'driver id')
    """
    spaced = "".join(
        f" {c.lower()}" if c.isupper() and i and not name[i - 1].isupper() else c for i, c in enumerate(name)
    )
    return " ".join(spaced.replace("_", " ").replace(".", " ").split()).lower() or name


def window_words(window: LookBack | None, measure: str, ago: Offset | None = None) -> str:
    """A window in English.

    >>> window_words(Offset(30), "count"), window_words(Offset(30), "count", Offset(335))
    (' in the last 30 days', ' in the 30 days up to 335 days ago')
    """
    if measure.startswith("decayed"):
        return ""
    if ago is not None and isinstance(window, Offset):
        return f" in the {window} up to {ago} ago"
    when = "" if ago is None else f", as of {ago} ago"
    if isinstance(window, Last):
        return f" over the last {window.count}{when}"
    return f" so far{when}" if window is None else f" in the last {window}"


def short(window: LookBack | None) -> str:
    """A window as a part of a name.

    >>> from foretell.core.time import Offset
    >>> short(Offset(90)), short(Last(10)), short(None)
    ('90d', 'last10', 'all')
    """
    if window is None:
        return "all"
    if isinstance(window, Last):
        return f"last{window.count}"
    return f"{window.amount:g}{ABBREVIATIONS[window.unit]}"


def path_name(hops: tuple[Hop, ...], schema: Schema) -> str:
    """A path as a part of a name: the tables, with the link where a table has several to the same parent.

    A hop down before one up is to the latest row.
    """
    parts = []
    for i, hop in enumerate(hops):
        twins = [k for k in schema.active_links if (k.child, k.parent) == (hop.link.child, hop.link.parent)]
        if hop.up:
            parts.append("+".join(hop.link.child_columns))
        else:
            link = f"[{'+'.join(hop.link.child_columns)}]" if len(twins) > 1 else ""
            last = "[last]" if any(later.up for later in hops[i + 1 :]) else ""
            parts.append(hop.link.child + link + last)
    return ">".join(parts)


def aggregate_name(
    measure: str,
    path: tuple[Hop, ...],
    value: Value | None,
    window: LookBack | None,
    schema: Schema,
    ago: Offset | None = None,
) -> str:
    """An aggregate as a name: the path to the events, what is read of them, the measure, the window, and how
    long ago it was so.
    """
    parts = [path_name(path, schema)]
    if value is not None:
        parts.append(_value_name(value, schema))
    when = () if ago is None else (f"{short(ago)}_ago",)
    return ".".join((*parts, measure, short(window), *when))


def _value_name(value: Value, schema: Schema) -> str:
    if value.following is Following.GAP:
        return "days_between"
    read = "outcome" if value.target else value.column
    if value.up:
        read = f"{path_name(value.up, schema)}>{read}"
    if value.equals is not None:
        read = f"{read}={value.equals}"
    if value.within is not None:
        read = f"{read}[{value.within.how} in {'+'.join(value.within.hop.link.child_columns)}]"
    return read if value.following is None else f"run({read})"


def name_of(definition: Aggregated, schema: Schema) -> str:
    """The name of an aggregate, from what it is."""
    path = (*definition.up, *definition.down)
    return aggregate_name(
        definition.measure, path, definition.value, definition.window, schema, definition.ago
    )


_AGAINST = {Comparison.DIFFERENCE: ("minus", "less"), Comparison.RATIO: ("over", "divided by")}


def contrast_name(definition: Contrast, schema: Schema) -> str:
    """A contrast as a name: both aggregates, with 'minus' or 'over' between them."""
    sign, _ = _AGAINST[definition.how]
    return f"{name_of(definition.left, schema)} {sign} {name_of(definition.right, schema)}"


def contrast_words(definition: Contrast, schema: Schema, target: str) -> str:
    """What a contrast is, in English: 'number of … so far, less the number of … so far'."""
    left, right = (
        aggregate_words(d.measure, d.up, d.down, d.value, d.window, schema, target, d.ago)
        for d in (definition.left, definition.right)
    )
    _, word = _AGAINST[definition.how]
    return f"{left}, {word} the {right}"


def nested_name(definition: Nested, schema: Schema) -> str:
    """A nested aggregate as a name: the path to its members, the inner aggregate, the measure, the window."""
    inner = definition.inner
    each = aggregate_name(inner.measure, inner.down, inner.value, inner.window, schema)
    path = path_name((*definition.up, definition.down), schema)
    return f"{path}.{each}.{definition.measure}.{short(definition.window)}"


def left_out_words(left_out: Iterable[LeftOut]) -> str:
    """Every feature that was left out, as comments of SQL."""
    lines = []
    for group in left_out:
        lines += ["", f"-- Left out: {group}."]
        lines += [f"--   {''.join(c if c.isprintable() else ' ' for c in name)}" for name in group.names]
    return "\n".join(lines) + "\n" if lines else ""


def role(hops: tuple[Hop, ...], schema: Schema) -> str:
    """Down hops in words: 'orders', or 'matches (as home team)' where a table has several links to a
    parent.
    """
    last = hops[-1]
    twins = [k for k in schema.active_links if (k.child, k.parent) == (last.link.child, last.link.parent)]
    by = f" (by {words(last.link.child_columns[0])})" if len(twins) > 1 else ""
    return words(last.link.child) + by


def owner(up: tuple[Hop, ...]) -> str:
    """Whose events: '' for the entity's own, else of the same parent, or of the latest row's parent."""
    if not up:
        return ""
    parent = words(up[-1].link.child_columns[0]).removesuffix(" id")
    if not up[0].up:
        return f" of the {parent} in its last of {words(up[0].end)}"
    return f" of the same {parent}"


def value_words(value: Value, target: str) -> str:
    if value.target:
        return target
    read = words(value.column)
    if value.up:
        read = f"{words(value.up[-1].end)} {read}"
    if value.within is not None:
        group = words(value.within.hop.link.child_columns[0]).removesuffix(" id")
        read = f"{read} ({_STANDINGS[value.within.how]} its {group} at that time)"
    return read


_STANDINGS = {Standing.EXCESS: "less the mean of", Standing.SHARE: "as a share of the total of"}


def aggregate_words(
    measure: str,
    up: tuple[Hop, ...],
    down: tuple[Hop, ...],
    value: Value | None,
    window: LookBack | None,
    schema: Schema,
    target: str,
    ago: Offset | None = None,
) -> str:
    """What an aggregate is, in English."""
    events = role(down, schema) + owner(up)
    return _measured(measure, events, value, window_words(window, measure, ago), target)


def nested_words(definition: Nested, schema: Schema, target: str) -> str:
    """What a nested aggregate is, in English: 'mean over its orders of the number of order items'."""
    inner, window = definition.inner, definition.window
    head = MEASURES[definition.measure].english.partition("{value}")[0].strip().removesuffix(" of")
    members = role((definition.down,), schema)
    whose = f"{members}{owner(definition.up)}" if definition.up else f"its {members}"
    when = "" if window is None else window_words(window, definition.measure)
    within = "" if inner.window is None else window_words(inner.window, inner.measure)
    each = _measured(inner.measure, role(inner.down, schema), inner.value, within, target)
    return f"{head} over {whose}{when} of the {each}"


def _measured(measure: str, events: str, value: Value | None, when: str, target: str) -> str:
    if value is None:
        return MEASURES[measure].english.format(value="", events=events, window=when)
    if value.following is not None:
        return MEASURES[measure].english.format(
            value=_following_words(value, events, target), events=events, window=when
        )
    if value.equals is not None:
        what = f"{events} with {value_words(value, target)} = {value.equals}"
        return {"sum": f"number of {what}{when}", "mean": f"share of {what}{when}"}[measure]
    phrase = f"{value_words(value, target)} of {events}"
    return MEASURES[measure].english.format(value=phrase, events=events, window=when)


def _following_words(value: Value, events: str, target: str) -> str:
    """How events follow on one another, in English; a run of what is not so counts below 0."""
    if value.following is Following.GAP:
        return f"days between {events}"
    read = value_words(value, target)
    return f"run of {events} alike in {read}" + (
        f" = {value.equals} (negative: without)" if value.equals else ""
    )
