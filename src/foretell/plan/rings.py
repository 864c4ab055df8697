"""Aggregates over past events as SQL, by rings: each event meets each row once, whatever the windows.

Windows before a cutoff nest, so an event belongs to exactly one ring between two window edges. The parts of
every measure are merged per (row, ring), and a window is the merge of its rings. Where many rows share few
cutoffs, the events are first merged over the stretches of time that no cutoff and no window edge divides.
Windows of so many events are rings too, of each row's own last events, counted back from its cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from foretell.core.time import Last, Offset
from foretell.plan import nodes
from foretell.plan.build import after, col, conjunction, create, table, template
from foretell.plan.measures import MEASURES, PARTS, ROW_PARTS, Algebra, decay_rate


@dataclass(frozen=True)
class Script:
    """The statements of one aggregate, in order, and the queries that give its outputs by row."""

    statements: tuple[exp.Expr, ...]
    queries: tuple[exp.Select, ...]


def breaks(windows: tuple[Offset, ...], rows: str) -> exp.Expr:
    """Every instant that divides time for these rows: the cutoffs, and each minus each window."""
    cutoffs = exp.select(col("r", "cutoff").as_("at")).from_(table(rows, "r")).distinct()
    query: exp.Expr = cutoffs
    for window in windows:
        edge = exp.select(after(col("r", "cutoff"), -window).as_("at")).from_(table(rows, "r")).distinct()
        query = exp.union(query, edge, distinct=True)
    return query


def aggregate(
    node: nodes.Aggregate | nodes.Nested, name: str, events: str, rows: str, stretches: str | None
) -> Script:
    """The SQL of an aggregate over the table `events`, for the table `rows` (row, anchor, cutoff).

    `name` prefixes the tables it creates; `stretches` is the table of dividing instants (at), or None where
    each row has a cutoff of its own.
    """
    statements: list[exp.Expr] = []
    queries: list[exp.Select] = []
    if node.windows and isinstance(node.windows[-1], Last):
        latest, owners = f"{name}_latest", f"{name}_own"
        statements += [
            create(latest, _latest(events, rows, node, node.windows[-1].count)),
            create(owners, own(rows)),
        ]
        events, rows, stretches = latest, owners, None
    simple = [o for o in node.outputs if MEASURES[o.measure].algebra not in _UNMERGED]
    if simple:
        pieces = _pieces(simple, node.windows)
        statements.append(create(f"{name}_units", _units(events, stretches, pieces, _key(node.windows))))
        joined = _joined(f"{name}_units", rows, pieces, node.windows)
        means = _ring_means(joined, pieces)
        if means is not None:
            statements.append(create(f"{name}_means", means))
        rings = _rings(joined, pieces, f"{name}_means" if means is not None else None)
        statements.append(create(f"{name}_rings", rings))
        means = _window_means(f"{name}_rings", simple)
        if means is not None:
            statements.append(create(f"{name}_wide", means))
        wide = f"{name}_wide" if means is not None else None
        queries.append(_windows(f"{name}_rings", simple, node.windows, wide))
    for index in sorted({o.input for o in node.outputs if o.input is not None}):
        chosen = [o for o in node.outputs if o.input == index and MEASURES[o.measure].algebra in _SETS]
        ordered = [o for o in node.outputs if o.input == index and MEASURES[o.measure].quantile is not None]
        if ordered:
            queries.append(_quantiles(events, rows, ordered, node.windows))
        if not chosen:
            continue
        counted = f"{name}_values{index}"
        statements.append(create(counted, _value_rings(events, stretches, rows, index, node.windows)))
        distinct = [o for o in chosen if MEASURES[o.measure].algebra is Algebra.DISTINCT]
        if distinct:
            queries.append(_distinct(counted, distinct))
        queries.extend(_mode(counted, o) for o in chosen if MEASURES[o.measure].algebra is Algebra.MODE)
    return Script(tuple(statements), tuple(queries))


def own(rows: str) -> exp.Select:
    """SELECT row, anchor, cutoff: each row the anchor of events that are its own."""
    columns = (col("r", "row"), col("r", "row").as_("anchor"), col("r", "cutoff"))
    return exp.select(*columns).from_(table(rows, "r"))


def _latest(events: str, rows: str, node: nodes.Aggregate | nodes.Nested, most: int) -> exp.Select:
    """Each row's own last events, `place` counting them back from its cutoff: the last is 1."""
    order = exp.Order(expressions=[exp.Ordered(this=col("e", "k"), desc=True)])
    place = exp.Window(this=exp.func("ROW_NUMBER"), partition_by=[col("r", "row")], order=order)
    read = sorted({o.input for o in node.outputs if o.input is not None})
    seen = (
        exp.select(col("r", "row").as_("anchor"), col("e", "t"), col("e", "k"), place.as_("place"))
        .select(*(col("e", f"v{i}") for i in read))
        .from_(table(events, "e"))
        .join(table(rows, "r"), on=visible("e", "t"))
    )
    near = exp.LTE(this=col("e", "place"), expression=exp.Literal.number(most))
    return exp.select(exp.Star()).from_(seen.subquery("e")).where(near).order_by(col("e", "k"))


def _key(windows: nodes.LookBacks) -> tuple[str, ...]:
    """What tells events of one anchor and time apart: their place, where they are counted."""
    return ("place",) if windows and isinstance(windows[-1], Last) else ()


_SETS = frozenset({Algebra.DISTINCT, Algebra.MODE})
_UNMERGED = _SETS | {Algebra.HOLISTIC}


@dataclass(frozen=True)
class _Piece:
    """A part of one input (None: of the events themselves); `halving` is the half-life of one that decays."""

    part: str
    input: int | None
    halving: Offset | None = None

    @property
    def name(self) -> str:
        mark = "" if self.halving is None else f"_{self.halving.amount:g}{self.halving.unit}"
        return _name(self.part, self.input) + mark

    @property
    def rate(self) -> exp.Expr:
        """How fast it decays, per day."""
        return exp.Literal.number(repr(decay_rate(self.halving)))


def _piece(part: str, output: nodes.Measured, windows: nodes.LookBacks) -> _Piece:
    decays = MEASURES[output.measure].algebra is Algebra.DECAY and output.window is not None
    halving = windows[output.window] if decays and output.window is not None else None
    assert not isinstance(halving, Last), "a half-life is a length of time"
    return _Piece(part, None if part in ROW_PARTS else output.input, halving)


def _pieces(outputs: list[nodes.Measured], windows: nodes.LookBacks) -> list[_Piece]:
    """The parts that the outputs need."""
    return list(dict.fromkeys(_piece(p, o, windows) for o in outputs for p in MEASURES[o.measure].parts))


def _name(part: str, index: int | None) -> str:
    return part if index is None else f"v{index}_{part}"


def _stretched(events: str, stretches: str | None) -> tuple[exp.Select, exp.Expr]:
    """FROM the events, each with the end of its stretch `at`; events after every cutoff fall out."""
    query = exp.select().from_(table(events, "e"))
    if stretches is None:
        return query, col("e", "t")
    join = exp.Join(this=table(stretches, "b"), method="ASOF")
    join.set("on", exp.LTE(this=col("e", "t"), expression=col("b", "at")))
    query.append("joins", join)
    return query, col("b", "at")


def _units(events: str, stretches: str | None, pieces: list[_Piece], key: tuple[str, ...]) -> exp.Select:
    """Parts lifted per (anchor, stretch), and per `key`."""
    query, at = _stretched(events, stretches)
    if stretches is not None:
        # In the events' own order again, which the join does not keep.
        query = query.select(exp.Column(this=exp.Star(), table=exp.to_identifier("e")), at)
        query = exp.select().from_(query.order_by(col("e", "k")).subquery("e"))
        at = col("e", "at")
    query = query.select(col("e", "anchor"), at.copy().as_("at"), *(col("e", c) for c in key))
    for piece in pieces:
        names: dict[str, exp.Expr] = {
            "t": col("e", "t"),
            "k": col("e", "k"),
            "at": at,
            "RATE": piece.rate,
        }
        if piece.input is not None:
            names["v"] = col("e", f"v{piece.input}")
        query = query.select(template(PARTS[piece.part].lift, **names).as_(piece.name), copy=False)
    query = query.group_by(col("e", "anchor"), at.copy(), *(col("e", c) for c in key))
    return query.order_by(exp.column("at"), exp.column("anchor"), *(exp.column(c) for c in key))


def _ring(windows: nodes.LookBacks, source: str, time: str) -> exp.Expr:
    """Which ring an event of a source lies in: 0 inside the shortest window, len(windows) outside the
    longest.
    """
    if not windows:
        return exp.cast(exp.Literal.number(0), "INTEGER")  # GROUP BY 0 would mean a column's place
    case = exp.Case()
    for i, window in enumerate(windows):
        inside: exp.Expr
        if isinstance(window, Last):
            inside = exp.LTE(this=col(source, "place"), expression=exp.Literal.number(window.count))
        else:
            inside = exp.GT(this=col(source, time), expression=after(col("r", "cutoff"), -window))
        case = case.when(inside, exp.Literal.number(i))
    return case.else_(exp.Literal.number(len(windows)))


def visible(source: str, at: str) -> exp.Expr:
    """What a row sees of a source: its anchor's, at or before its cutoff."""
    return conjunction(
        [
            exp.EQ(this=col(source, "anchor"), expression=col("r", "anchor")),
            exp.LTE(this=col(source, at), expression=col("r", "cutoff")),
        ]
    )


def _joined(units: str, rows: str, pieces: list[_Piece], windows: nodes.LookBacks) -> exp.Select:
    """Each row with the units before its cutoff, in the units' order."""
    lag = template("(EPOCH(cutoff) - EPOCH(at)) / 86400.0", cutoff=col("r", "cutoff"), at=col("u", "at"))
    return (
        exp.select(
            col("r", "row"),
            col("r", "cutoff"),
            _ring(windows, "u", "at").as_("ring"),
            lag.as_("lag"),
            *(col("u", piece.name) for piece in pieces),
        )
        .from_(table(units, "u"))
        .join(table(rows, "r"), on=visible("u", "at"))
    )


def _ring_means(joined: exp.Select, pieces: list[_Piece]) -> exp.Select | None:
    """The means per (row, ring) that moments merge about."""
    needed = sorted(
        {(p.input, total) for p in pieces for total in PARTS[p.part].about if p.input is not None}
    )
    if not needed:
        return None
    query = exp.select(col("j", "row"), col("j", "ring")).from_(joined.subquery("j"))
    for index, total in needed:
        query = query.select(_mean(index, total, "j").as_(_mean_name(index, total, "")), copy=False)
    return query.group_by(col("j", "row"), col("j", "ring"))


def _rings(joined: exp.Select, pieces: list[_Piece], means: str | None) -> exp.Select:
    """Parts merged per (row, ring)."""
    query = exp.select(
        col("j", "row"), col("j", "ring"), template("MAX(c)", c=col("j", "cutoff")).as_("cutoff")
    )
    for piece in pieces:
        query = query.select(_merge(piece, "j", decay=True).as_(piece.name), copy=False)
    query = query.from_(joined.subquery("j"))
    if means is not None:
        same = [exp.EQ(this=col("m", c), expression=col("j", c)) for c in ("row", "ring")]
        query = query.join(table(means, "m"), on=exp.and_(*same))
    keys = (col("j", "row"), col("j", "ring"))
    return query.group_by(*keys).order_by(*(k.copy() for k in keys))


def _merge(piece: _Piece, source: str, suffix: str = "", decay: bool = False) -> exp.Expr:
    """A part merged over rows of `source`; what decays does so by each row's lag first, if asked to."""
    index = piece.input
    names: dict[str, exp.Expr] = {p: col(source, _name(p, None if p in ROW_PARTS else index)) for p in PARTS}
    names[piece.part] = col(source, piece.name)
    if index is not None:
        names["mean"] = col("m", _mean_name(index, "sum", suffix))
        names["xmean"] = col("m", _mean_name(index, "x", suffix))
    names["lag"] = col(source, "lag") if decay else exp.Literal.number(0)
    names["RATE"] = piece.rate if decay else exp.Literal.number(0)
    return template(PARTS[piece.part].merge, **names)


def _mean_name(index: int, total: str, suffix: str) -> str:
    return f"v{index}_{total}_mean{suffix}"


def _mean(index: int, total: str, source: str, upto: int | None = None) -> exp.Expr:
    """The mean of a value (total 'sum') or of its times ('x') over a group, or over its rings up to one."""
    sums = [_over(exp.func("SUM", col(source, f"v{index}_{part}")), source, upto) for part in (total, "n")]
    return exp.Div(this=sums[0], expression=exp.func("NULLIF", sums[1], exp.Literal.number(0)))


def _window_means(rings: str, outputs: list[nodes.Measured]) -> exp.Select | None:
    """The means per row, over the rings of each window, that moments merge about."""
    needed = {
        (o.input, total, -1 if o.window is None else o.window)
        for o in outputs
        for p in MEASURES[o.measure].parts
        for total in PARTS[p].about
        if o.input is not None
    }
    if not needed:
        return None
    query = exp.select(col("g", "row")).from_(table(rings, "g"))
    for index, total, ring in sorted(needed):
        window = None if ring < 0 else ring
        mean = _mean(index, total, "g", window).as_(_mean_name(index, total, _suffix(window)))
        query = query.select(mean, copy=False)
    return query.group_by(col("g", "row"))


def _windows(
    rings: str, outputs: list[nodes.Measured], windows: nodes.LookBacks, means: str | None
) -> exp.Select:
    """Each output: its parts merged over the rings of its window, and finalized."""
    query = exp.select(col("g", "row"))
    for output in outputs:
        names: dict[str, exp.Expr] = {"cutoff": exp.func("MAX", col("g", "cutoff"))}
        # What decays has no edge: its window is its half-life.
        upto = None if MEASURES[output.measure].algebra is Algebra.DECAY else output.window
        for part in MEASURES[output.measure].parts:
            merged = _merge(_piece(part, output, windows), "g", _suffix(output.window))
            names[part] = _over(merged, "g", upto)
        made = template(MEASURES[output.measure].final, **names).as_(output.name, quoted=True)
        query = query.select(made, copy=False)
    query = query.from_(table(rings, "g"))
    if means is not None:
        query = query.join(table(means, "m"), on=exp.EQ(this=col("m", "row"), expression=col("g", "row")))
    return query.group_by(col("g", "row"))


def _suffix(window: int | None) -> str:
    return "" if window is None else f"_{window}"


def _over(merged: exp.Expr, source: str, window: int | None) -> exp.Expr:
    """The merge over the rings of a window; over all of them for None."""
    if window is None:
        return merged
    test = exp.LTE(this=col(source, "ring"), expression=exp.Literal.number(window))
    return exp.Filter(this=merged, expression=exp.Where(this=test))


def _value_rings(
    events: str, stretches: str | None, rows: str, index: int, windows: nodes.LookBacks
) -> exp.Select:
    """How often each value occurs per (row, value, ring)."""
    query, at = _stretched(events, stretches)
    value, key = col("e", f"v{index}"), [col("e", c) for c in _key(windows)]
    units = (
        query.select(col("e", "anchor"), at.copy().as_("at"), value.copy().as_("value"), *key)
        .select(exp.func("COUNT", exp.Star()).as_("n"))
        .where(exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null())))
        .group_by(col("e", "anchor"), at.copy(), value.copy(), *(k.copy() for k in key))
    )
    ring = _ring(windows, "u", "at")
    return (
        exp.select(col("r", "row"), col("u", "value"), ring.as_("ring"))
        .select(exp.func("SUM", col("u", "n")).as_("n"))
        .from_(units.subquery("u"))
        .join(table(rows, "r"), on=visible("u", "at"))
        .group_by(col("r", "row"), col("u", "value"), ring.copy())
    )


def _distinct(values: str, outputs: list[nodes.Measured]) -> exp.Select:
    """A value counts in a window when its latest occurrence, its lowest ring, lies inside."""
    first = (
        exp.select(col("u", "row"), col("u", "value"), exp.func("MIN", col("u", "ring")).as_("ring"))
        .from_(table(values, "u"))
        .group_by(col("u", "row"), col("u", "value"))
    )
    query = exp.select(col("g", "row"))
    for output in outputs:
        counted = _over(exp.func("COUNT", exp.Star()), "g", output.window)
        query = query.select(counted.as_(output.name, quoted=True), copy=False)
    return query.from_(first.subquery("g")).group_by(col("g", "row"))


def _mode(values: str, output: nodes.Measured) -> exp.Select:
    """The most frequent value of a window; the smallest of equals."""
    counted = exp.select(col("g", "row"), col("g", "value"), exp.func("SUM", col("g", "n")).as_("n")).from_(
        table(values, "g")
    )
    if output.window is not None:
        counted = counted.where(exp.LTE(this=col("g", "ring"), expression=exp.Literal.number(output.window)))
    counted = counted.group_by(col("g", "row"), col("g", "value"))
    order = exp.Order(expressions=[exp.Ordered(this=col("c", "n"), desc=True), col("c", "value")])
    rank = exp.Window(this=exp.func("ROW_NUMBER"), partition_by=[col("c", "row")], order=order)
    ranked = exp.select(exp.Star(), rank.as_("place")).from_(counted.subquery("c"))
    return (
        exp.select(col("m", "row"), col("m", "value").as_(output.name, quoted=True))
        .from_(ranked.subquery("m"))
        .where(exp.EQ(this=col("m", "place"), expression=exp.Literal.number(1)))
    )


def _quantiles(events: str, rows: str, outputs: list[nodes.Measured], windows: nodes.LookBacks) -> exp.Select:
    """Quantiles of one input, from all of its values before each row's cutoff: rings do not merge to them."""
    value = f"v{outputs[0].input}"
    joined = (
        exp.select(col("r", "row"), _ring(windows, "e", "t").as_("ring"), col("e", value))
        .from_(table(events, "e"))
        .join(table(rows, "r"), on=visible("e", "t"))
    )
    query = exp.select(col("g", "row"))
    for output in outputs:
        share = exp.Literal.number(repr(MEASURES[output.measure].quantile))
        taken = exp.Anonymous(this="QUANTILE_CONT", expressions=[col("g", value), share])
        query = query.select(_over(taken, "g", output.window).as_(output.name, quoted=True), copy=False)
    return query.from_(joined.subquery("g")).group_by(col("g", "row"))
