"""The DuckDB engine: plans as ring SQL over the working copy.

Results are the same bit for bit whatever the number of threads: tables are made in a fixed order, and sums of
doubles are taken by one thread each, several aggregates side by side, with joins executed as they are
written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlglot import exp

from foretell.core.progress import QUIET, Progress
from foretell.core.time import Instant, Last, Offset
from foretell.engines.base import GRID, Entities, Keys, Labels, Rows, begun, matrix_of
from foretell.engines.labelling import Labelling
from foretell.engines.past_labels import NUMERIC, anchors_of, as_text, lattice_of, moved, past_events
from foretell.engines.workbench import Workbench, fetch
from foretell.features.matrix import Categorical, Matrix, Numeric, Precision, Values
from foretell.plan import asof, events, nested, nodes, prepare, rings, target
from foretell.plan.begun import BEGUN, telling_links, with_begun
from foretell.plan.build import DIALECT, ROW, TIME, after, col, create, table, template
from foretell.plan.lattice import Lattice
from foretell.plan.measures import MEASURES
from foretell.plan.proof import prove
from foretell.schema.model import DType, Link, Schema
from foretell.store.refusals import refuse_repeats, told
from foretell.store.working import Store

_LARGE = 1_000_000  # events of more rows than this are not kept between calls
_GRID = GRID


class DuckDBEngine:
    """Runs plans on one snapshot's working copy. See `engines.base.Engine` for the methods.

    Tables are prepared, and events extracted, once each; later calls reuse them.
    """

    sweeps = False
    tables = None

    def __init__(
        self,
        store: Store,
        schema: Schema,
        *,
        threads: int = 2,
        progress: Progress = QUIET,
        precision: Precision = np.float32,
    ) -> None:
        self.begins: Mapping[str, Instant] = {}
        self._bench = Workbench(store, schema, max(1, threads))
        self._labelling = Labelling(
            self._bench, schema, lambda name, _: self._prepare(name), self._aggregates
        )
        self._schema = schema
        self._threads = max(1, threads)
        self._progress = progress
        self._precision = precision
        self._prepared: set[str] = set()
        self._events: dict[nodes.Events, str] = {}

    def labels(self, target_plan: nodes.Target, cutoffs: Sequence[Instant]) -> Labels:
        prove(target_plan, self._schema)
        return self._labelling.labels(target_plan, cutoffs)

    def population(self, target_plan: nodes.Target, cutoffs: Sequence[Instant]) -> Rows:
        prove(target_plan, self._schema)
        return self._labelling.population(target_plan, cutoffs)

    def features(self, plan: nodes.FeaturePlan, rows: Rows) -> Matrix:
        prove(plan, self._schema)
        self._bench.many_threads()
        self._prepare(plan.entity)
        given = self._bench.name("rows")
        self._bench.load(
            given,
            pa.table(
                {
                    "row": pa.array(np.arange(len(rows), dtype=np.int64)),
                    "entity": pa.array(rows.entities),
                    "cutoff": pa.array(rows.cutoffs).cast(pa.timestamp("us")),
                }
            ),
        )
        jobs: list[Callable[[duckdb.DuckDBPyConnection], list[pa.Table]]] = []
        made: list[str] = [given]
        for block in plan.blocks:
            match block:
                case nodes.AsOf():
                    for step in nodes.steps(block.source):
                        self._prepare(step.end)
                    jobs.append(_fetch(asof.asof(block, given, self._schema)))
                case nodes.Calendar():
                    jobs.append(_fetch(asof.calendar(block, given)))
                case nodes.Aggregate():
                    script = self._aggregate(block, given, rows, made)
                    jobs.append(_run(script))
                case nodes.Nested():
                    jobs.append(_run(self._nested(block, given, rows, made)))
        # One thread each from here on: a sum's order of additions is fixed.
        self._bench.connection.execute("SET threads = 1")
        found: dict[str, Values] = {}
        with ThreadPoolExecutor(self._threads) as pool:
            cursors = [self._bench.connection.cursor() for _ in jobs]
            for tables in pool.map(lambda pair: pair[0](pair[1]), zip(jobs, cursors)):
                for fetched in tables:
                    found.update(_columns(fetched, plan, len(rows), self._precision))
                self._progress.advance()
        self._bench.drop(*made)
        return matrix_of(plan, found, len(rows), self._precision)

    def keys(self, name: str, columns: Sequence[str], entities: Entities) -> dict[str, list[Any]]:
        self._prepare(name)
        wanted = self._bench.name("wanted")
        index = np.arange(len(entities), dtype=np.int64)
        self._bench.load(wanted, pa.table({"row": pa.array(index), "entity": pa.array(entities)}))
        query = (
            exp.select(*(col("e", c) for c in columns))
            .from_(table(wanted, "r"))
            .join(
                table(name, "e"),
                on=exp.EQ(this=col("e", ROW), expression=col("r", "entity")),
                join_type="left",
            )
            .order_by(col("r", "row"))
        )
        fetched = self._bench.arrow(query)
        self._bench.drop(wanted)
        return {c: fetched[c].to_pylist() for c in columns}

    def find(self, name: str, keys: Keys) -> Entities:
        self._prepare(name)
        wanted = self._bench.name("wanted")
        count = len(next(iter(keys.values())))
        columns = {"row": pa.array(np.arange(count, dtype=np.int64))}
        columns |= {f"k{i}": pa.array([as_text(v) for v in keys[c]], pa.string()) for i, c in enumerate(keys)}
        self._bench.load(wanted, pa.table(columns))
        tests = [
            exp.EQ(this=exp.cast(col("e", c), "VARCHAR"), expression=col("r", f"k{i}"))
            for i, c in enumerate(keys)
        ]
        query = (
            exp.select(exp.func("MAX", col("e", ROW)).as_("entity"))
            .from_(table(wanted, "r"))
            .join(table(name, "e"), on=exp.and_(*tests), join_type="left")
            .group_by(col("r", "row"))
            .order_by(col("r", "row"))
        )
        fetched = self._bench.arrow(query)
        self._bench.drop(wanted)
        found = fetched["entity"].fill_null(-1).to_numpy()
        return np.asarray(found, dtype=np.int64)

    def frequent(self, name: str, column: str, *, until: Instant | None, limit: int) -> tuple[str, ...]:
        self._prepare(name)
        value = exp.cast(col("e", column), "VARCHAR")
        query = exp.select(value.as_("value")).from_(table(name, "e")).where(_not_null(col("e", column)))
        if self._schema.table(name).column(column).dtype is DType.TEXT:
            # SQL text ends at a NUL, so such a value cannot be asked for.
            nul = exp.Anonymous(this="CHR", expressions=[exp.Literal.number(0)])
            query = query.where(
                exp.Not(this=exp.Anonymous(this="CONTAINS", expressions=[col("e", column), nul]))
            )
        if until is not None:
            bounds = [TIME] if self._schema.is_timed(name) else []
            known = self._schema.table(name).column(column).known_at
            for bound in [*bounds, *([known] if known else [])]:
                query = query.where(exp.LTE(this=col("e", bound), expression=_moment(until)))
        query = (
            query.group_by(value.copy())
            .order_by(exp.Ordered(this=exp.func("COUNT", exp.Star()), desc=True), value.copy())
            .limit(limit)
        )
        return tuple(self._bench.arrow(query)["value"].to_pylist())

    def span(
        self, name: str, *, until: Instant | None = None, trim: float = 0.0
    ) -> tuple[Instant, Instant] | None:
        found = self._span(name, until=until, trim=trim)
        return found if until is not None or trim else begun(found, self.begins.get(name))

    def _span(self, name: str, *, until: Instant | None, trim: float) -> tuple[Instant, Instant] | None:
        self._prepare(name)
        if not self._schema.is_timed(name):
            return None
        first = exp.func("MIN", col("e", TIME))
        if trim:
            share = exp.Literal.number(repr(trim))
            first = exp.Anonymous(this="QUANTILE_DISC", expressions=[col("e", TIME), share])
        query = exp.select(
            exp.func("EPOCH_US", first), exp.func("EPOCH_US", exp.func("MAX", col("e", TIME)))
        ).from_(table(name, "e"))
        if until is not None:
            query = query.where(exp.LTE(this=col("e", TIME), expression=_moment(until)))
        first, last = self._bench.one(query)
        return None if first is None else (int(first), int(last))

    def later_share(self, name: str, column: str, until: Instant) -> float:
        self._prepare(name)
        moment = col("e", column)
        if self._schema.is_timed(name):
            # A row dated by the day may name a moment of that day.
            bound = after(col("e", TIME), Offset(1 if self._is_daily(name, TIME) else 0))
            later: exp.Expr = exp.GT(this=moment, expression=bound)
            rows: exp.Expr = table(name, "e")
        else:
            links = telling_links(self._schema, name)
            for link in links:
                self._prepare(link.child)
            query = exp.select(exp.column(exp.Star(), table="e")).from_(table(name, "e"))
            query = with_begun(query, "e", links, self._schema, lambda link: table(link.child, "c"))
            # A value dated by the day may be of any moment of that day.
            ends = after(moment.copy(), Offset(1 if self._is_daily(name, column) else 0))
            later = template(
                "v > bound AND (first IS NULL OR ends >= first)",
                v=moment,
                bound=_moment(until),
                first=col("e", BEGUN),
                ends=ends,
            )
            rows = query.subquery("e")
            later = exp.Case().when(template("v IS NOT NULL", v=moment.copy()), later)
        found = exp.select(exp.func("AVG", exp.cast(later, "INT"))).from_(rows)
        return float(self._bench.one(found)[0] or 0.0)

    def _is_daily(self, name: str, column: str) -> bool:
        midnight = template("BOOL_AND(DATE_TRUNC('day', t) = t)", t=col("e", column))
        return bool(self._bench.one(exp.select(midnight).from_(table(name, "e")))[0])

    def fellows(self, link: Link) -> float:
        self._prepare(link.child)
        keys = [col("e", c) for c in link.child_columns]
        known = exp.and_(*(_not_null(k.copy()) for k in keys))
        sizes = exp.select(exp.func("COUNT", exp.Star()).as_("n")).from_(table(link.child, "e")).where(known)
        mean = template("SUM(CAST(n AS DOUBLE) * n) / SUM(n)", n=col("g", "n"))
        found = self._bench.one(exp.select(mean).from_(sizes.group_by(*keys).subquery("g")))
        return float(found[0] or 0.0)

    def _aggregates(self, wanted: Mapping[str, nodes.TargetAggregate], rows: str, grid: str | None) -> None:
        """Tables of the aggregates of labels, by their names."""
        for name, node in wanted.items():
            extracted = self._extract(node.events)
            self._bench.execute(create(name, target.aggregated(node, extracted, rows, grid=grid)))

    def _aggregate(self, block: nodes.Aggregate, given: str, rows: Rows, made: list[str]) -> rings.Script:
        name = self._bench.name("block")
        extracting: tuple[exp.Expr, ...] = ()
        for step in nodes.steps(block.anchor):
            self._prepare(step.end)
        anchored = f"{name}_rows"
        if isinstance(block.events, nodes.PastLabels):
            words = any(MEASURES[o.measure].categorical for o in block.outputs)
            seen = moved(rows, block.ago)
            lattice = lattice_of(block.events, seen, self.span)
            source = self._past_labels(block.events, lattice, words=words)
            made.append(source)
            anchor = anchors_of(block.events, lattice, seen)
            self._bench.load(anchored, _numbered(seen.cutoffs, row=np.arange(len(rows)), anchor=anchor))
        else:
            source, extracting = self._extract_for(block.events)
            anchors = asof.anchors(block.anchor, given, self._schema, block.ago)
            self._bench.execute(create(anchored, anchors))
        made.append(anchored)
        stretches = self._stretches(f"{name}_breaks", block.windows, anchored, rows, made)
        script = rings.aggregate(block, name, source, anchored, stretches)
        return rings.Script((*extracting, *script.statements), script.queries)

    def _nested(self, block: nodes.Nested, given: str, rows: Rows, made: list[str]) -> rings.Script:
        name = self._bench.name("block")
        for step in nodes.steps(block.anchor):
            self._prepare(step.end)
        assert isinstance(block.inner.events, nodes.Events), "earlier labels are of entities, not of members"
        members, first = self._extract_for(block.members)
        source, then = self._extract_for(block.inner.events)
        anchored = f"{name}_rows"
        self._bench.execute(create(anchored, asof.anchors(block.anchor, given, self._schema)))
        made.append(anchored)
        stretches = self._stretches(f"{name}_breaks", block.inner.windows, anchored, rows, made)
        script = nested.nested(block, name, members, source, anchored, stretches)
        return rings.Script((*first, *then, *script.statements), script.queries)

    def _stretches(
        self, name: str, windows: nodes.LookBacks, anchored: str, rows: Rows, made: list[str]
    ) -> str | None:
        """The table of instants that divide time for these rows; None where they are too many to share, or
        events are counted.
        """
        lengths = tuple(w for w in windows if not isinstance(w, Last))
        if len(lengths) < len(windows) or len(np.unique(rows.cutoffs)) > _GRID:
            return None
        self._bench.execute(create(name, rings.breaks(lengths, anchored)))
        made.append(name)
        return name

    def _past_labels(self, past: nodes.PastLabels, lattice: Lattice, *, words: bool) -> str:
        """Earlier labels as an events table."""
        labels = None
        if lattice.earlier:
            labels = self.labels(past.target, sorted({at for at, _, _ in lattice.earlier}))
        found = past_events(past, lattice, labels)
        numeric = past.target.target.dtype in NUMERIC and not words
        made = _numbered(found.times, anchor=found.anchors, k=found.places)
        values = found.values.astype(np.float64) if numeric else map(as_text, found.values)
        shown = pa.array(values, pa.float64() if numeric else pa.string())
        name = self._bench.name("past")
        self._bench.load(name, made.rename_columns(["t", "anchor", "k"]).append_column("v0", shown))
        if past.following is None:
            return name
        read = nodes.Input(
            past.target.target.expr, DType.FLOAT if numeric else DType.TEXT, following=past.following
        )
        columns = exp.select("anchor", "t", "k", "v0").from_(table(name))
        followed = self._bench.name("past")
        self._bench.execute(create(followed, events.followed(columns, [read])))
        self._bench.drop(name)
        return followed

    def _extract_for(self, node: nodes.Events) -> tuple[str, tuple[exp.Expr, ...]]:
        """The table of a path's events, and what is still to be run to make it.

        A large one is made where it is used and dropped after it; the others are made once and kept.
        """
        if self._schema.table(node.table).rows <= _LARGE:
            return self._extract(node), ()
        self._prepare_path(node)
        name = self._bench.name("events")
        return name, (create(name, events.events(node, self._schema)),)

    def _prepare_path(self, node: nodes.Events) -> None:
        for step in nodes.steps(node.rows):
            self._prepare(step.end)
        for read in node.inputs:
            for hop in read.hops:
                self._prepare(hop.end)

    def _extract(self, node: nodes.Events) -> str:
        """The table of a path's events, made once."""
        if node not in self._events:
            self._prepare_path(node)
            name = self._bench.name("events")
            self._bench.execute(create(name, events.events(node, self._schema)))
            self._events[node] = name
        return self._events[node]

    def _prepare(self, name: str) -> str:
        """Make the work table of a table, which has its name."""
        if name in self._prepared:
            return name
        self._prepared.add(name)
        first = prepare.needed_first(name, self._schema)
        if first is not None:
            self._prepare(first)
        self._bench.execute(prepare.prepare(name, self._schema))
        for key in prepare.one_row_keys(name, self._schema):
            refuse_repeats(self._bench.connection, name, key, table(name, "e"))
        return name


def _numbered(cutoffs: npt.NDArray[np.int64], **columns: npt.NDArray[Any]) -> pa.Table:
    """A table of instants (cutoff) and whole numbers."""
    moments = pa.array(cutoffs).cast(pa.timestamp("us"))
    return pa.table({"cutoff": moments, **{n: pa.array(v, pa.int64()) for n, v in columns.items()}})


def _fetch(query: exp.Select) -> Callable[[duckdb.DuckDBPyConnection], list[pa.Table]]:
    return lambda connection: [fetch(connection, query)]


def _run(script: rings.Script) -> Callable[[duckdb.DuckDBPyConnection], list[pa.Table]]:
    def run(connection: duckdb.DuckDBPyConnection) -> list[pa.Table]:
        for statement in script.statements:
            with told(statement):
                connection.execute(statement.sql(dialect=DIALECT))
        fetched = [fetch(connection, q) for q in script.queries]
        for statement in script.statements:
            connection.execute(f"DROP TABLE {statement.this.sql(dialect=DIALECT)}")
        return fetched

    return run


def _columns(
    fetched: pa.Table, plan: nodes.FeaturePlan, count: int, precision: Precision
) -> dict[str, Values]:
    """Fetched outputs spread over all rows; a row without events has the measure's empty value."""
    at = fetched["row"].to_numpy()
    empties = {
        o.name: MEASURES[o.measure].empty
        for block in plan.blocks
        if isinstance(block, nodes.Aggregate | nodes.Nested)
        for o in block.outputs
    }
    found: dict[str, Values] = {}
    for name in fetched.column_names:
        if name == "row":
            continue
        column = fetched[name]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            found[name] = _categorical(column, at, count)
        else:
            empty = empties.get(name)
            values = np.full(count, np.nan if empty is None else empty, dtype=np.float64)
            values[at] = column.cast(pa.float64()).to_numpy()
            found[name] = Numeric.of(values, precision)
    return found


def _categorical(column: pa.ChunkedArray, at: npt.NDArray[np.int64], count: int) -> Categorical:
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    words: list[str] = encoded.dictionary.to_pylist()
    order = sorted(range(len(words)), key=lambda i: words[i])
    place = np.full(len(words) + 1, -1, dtype=np.int32)
    for new, old in enumerate(order):
        place[old] = new
    codes = np.full(count, -1, dtype=np.int32)
    codes[at] = place[encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)]
    return Categorical(codes, tuple(words[i] for i in order))


def _null(value: exp.Expr) -> exp.Expr:
    return exp.Is(this=value, expression=exp.Null())


def _not_null(value: exp.Expr) -> exp.Expr:
    return exp.Not(this=_null(value))


def _moment(instant: Instant) -> exp.Expr:
    return exp.func("MAKE_TIMESTAMP", exp.Literal.number(instant))
