"""The DuckDB engine: plans as ring SQL over the working copy.

Results are the same bit for bit whatever the number of threads: tables are made in a fixed order, and sums of
doubles are taken by one thread each, several aggregates side by side, with joins executed as they are
written.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlglot import exp

from foretell.core.progress import QUIET, Progress
from foretell.core.time import Instant, Offset
from foretell.engines.base import GRID, Entities, Keys, Labels, Rows
from foretell.engines.past_labels import NUMERIC, anchors_of, as_text, lattice_of, past_events
from foretell.features.matrix import Categorical, Matrix, Numeric, Precision, Values
from foretell.plan import asof, events, nodes, prepare, rings, target
from foretell.plan.build import DIALECT, ROW, SPACE, TIME, after, col, create, table, template
from foretell.plan.lattice import Lattice
from foretell.plan.measures import MEASURES
from foretell.plan.proof import prove
from foretell.schema.model import DType, Link, Schema
from foretell.store.refusals import refuse_repeats, told
from foretell.store.working import Store

Aggregated: TypeAlias = Callable[[nodes.TargetAggregate, Rows], pa.Table]
"""Makes one aggregate of labels: (entity, cutoff, value) for the rows that have a value."""

_LARGE = 1_000_000  # events of more rows than this are not kept between calls
_GRID = GRID


class DuckDBEngine:
    """Runs plans on one snapshot's working copy. See `engines.base.Engine` for the methods.

    Tables are prepared, and events extracted, once each; later calls reuse them. `aggregated` makes the
    aggregates of labels elsewhere, for the rows of the population.
    """

    sweeps = False

    def __init__(
        self,
        store: Store,
        schema: Schema,
        *,
        threads: int = 2,
        progress: Progress = QUIET,
        precision: Precision = np.float32,
        aggregated: Aggregated | None = None,
    ) -> None:
        self._connection = store.cursor()
        self._schema = schema
        self._threads = max(1, threads)
        self._progress = progress
        self._precision = precision
        self._aggregated = aggregated
        self._prepared: set[str] = set()
        self._events: dict[nodes.Events, str] = {}
        self._numbers = itertools.count()
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SPACE}")
        # Which side of a join is scanned decides the order of additions: keep it as written.
        self._connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")

    def labels(self, target_plan: nodes.Target, cutoffs: Sequence[Instant]) -> Labels:
        prove(target_plan, self._schema)
        self._many_threads()
        rows, values = self._evaluate(target_plan, cutoffs, future=True)
        made = self._arrow(target.labelled(target_plan, rows, values, self._schema))
        self._drop(rows, *values.values())
        chosen, assumed, known = (
            _flags(c) for c in (made["chosen"], made["assumed"], made["label"].is_valid())
        )
        kept = made.filter(pa.array(chosen & assumed & known))
        dropped = {
            "not chosen by WHERE": int(np.count_nonzero(~chosen)),
            "not held under ASSUMING": int(np.count_nonzero(chosen & ~assumed)),
            "no value": int(np.count_nonzero(chosen & assumed & ~known)),
        }
        return Labels(_rows(kept), _values(kept["label"], target_plan.target.dtype), _positive(dropped))

    def population(self, target_plan: nodes.Target, cutoffs: Sequence[Instant]) -> Rows:
        prove(target_plan, self._schema)
        self._many_threads()
        static = target_plan.horizon is None
        rows, values = self._evaluate(target_plan, cutoffs, future=static)
        made = self._arrow(target.labelled(target_plan, rows, values, self._schema))
        self._drop(rows, *values.values())
        chosen = _flags(made["chosen"])
        if static:
            chosen &= _flags(made["label"].is_null())
        return _rows(made.filter(pa.array(chosen)))

    def features(self, plan: nodes.FeaturePlan, rows: Rows) -> Matrix:
        prove(plan, self._schema)
        self._many_threads()
        self._prepare(plan.entity)
        given = self._name("rows")
        self._load(
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
        # One thread each from here on: a sum's order of additions is fixed.
        self._connection.execute("SET threads = 1")
        found: dict[str, Values] = {}
        with ThreadPoolExecutor(self._threads) as pool:
            cursors = [self._connection.cursor() for _ in jobs]
            for tables in pool.map(lambda pair: pair[0](pair[1]), zip(jobs, cursors)):
                for fetched in tables:
                    found.update(_columns(fetched, plan, len(rows), self._precision))
                self._progress.advance()
        self._drop(*made)
        names = plan.outputs
        return Matrix(names, tuple(found[n] for n in names), len(rows))

    def keys(self, name: str, columns: Sequence[str], entities: Entities) -> dict[str, list[Any]]:
        self._prepare(name)
        wanted = self._name("wanted")
        index = np.arange(len(entities), dtype=np.int64)
        self._load(wanted, pa.table({"row": pa.array(index), "entity": pa.array(entities)}))
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
        fetched = self._arrow(query)
        self._drop(wanted)
        return {c: fetched[c].to_pylist() for c in columns}

    def find(self, name: str, keys: Keys) -> Entities:
        self._prepare(name)
        wanted = self._name("wanted")
        count = len(next(iter(keys.values())))
        columns = {"row": pa.array(np.arange(count, dtype=np.int64))}
        columns |= {f"k{i}": pa.array([as_text(v) for v in keys[c]], pa.string()) for i, c in enumerate(keys)}
        self._load(wanted, pa.table(columns))
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
        fetched = self._arrow(query)
        self._drop(wanted)
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
        return tuple(self._arrow(query)["value"].to_pylist())

    def span(
        self, name: str, *, until: Instant | None = None, trim: float = 0.0
    ) -> tuple[Instant, Instant] | None:
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
        first, last = self._one(query)
        return None if first is None else (int(first), int(last))

    def later_share(self, name: str, column: str, until: Instant) -> float:
        self._prepare(name)
        bound: exp.Expr = _moment(until)
        if self._schema.is_timed(name):
            # A row dated by the day may name a moment of that day.
            midnight = template("BOOL_AND(DATE_TRUNC('day', t) = t)", t=col("e", TIME))
            daily = self._one(exp.select(midnight).from_(table(name, "e")))[0]
            bound = after(col("e", TIME), Offset(1 if daily else 0))
        later = exp.cast(exp.GT(this=col("e", column), expression=bound), "INT")
        query = exp.select(exp.func("AVG", later)).from_(table(name, "e"))
        return float(self._one(query)[0] or 0.0)

    def fellows(self, link: Link) -> float:
        self._prepare(link.child)
        keys = [col("e", c) for c in link.child_columns]
        known = exp.and_(*(_not_null(k.copy()) for k in keys))
        sizes = exp.select(exp.func("COUNT", exp.Star()).as_("n")).from_(table(link.child, "e")).where(known)
        mean = template("SUM(CAST(n AS DOUBLE) * n) / SUM(n)", n=col("g", "n"))
        found = self._one(exp.select(mean).from_(sizes.group_by(*keys).subquery("g")))
        return float(found[0] or 0.0)

    def _evaluate(
        self, plan: nodes.Target, cutoffs: Sequence[Instant], *, future: bool
    ) -> tuple[str, dict[int, str]]:
        """The population's table, and the tables of the aggregates that are needed, by index."""
        self._prepare(plan.population.table)
        grid = self._name("cutoffs")
        moments = sorted(set(cutoffs))
        if plan.horizon is None:
            moments = moments[-1:]
        column = pa.array(np.array(moments, dtype=np.int64)).cast(pa.timestamp("us"))
        self._load(grid, pa.table({"cutoff": column}))
        rows = self._name("population")
        self._execute(create(rows, target.population(plan, grid, self._schema)))
        # The last cutoff alone stands for a static target's; its rows each have their own.
        shared = None if plan.horizon is None else grid
        wanted = [i for i, a in enumerate(plan.aggregates) if future or not a.window.is_future]
        values = {i: self._name("value") for i in wanted}
        if self._aggregated is not None:
            people = self._people(rows)
            for i, name in values.items():
                self._load(name, self._aggregated(plan.aggregates[i], people))
        else:
            for i, name in values.items():
                aggregate = plan.aggregates[i]
                extracted = self._extract(aggregate.events)
                self._execute(create(name, target.aggregated(aggregate, extracted, rows, grid=shared)))
        self._drop(grid)
        return rows, values

    def _people(self, population: str) -> Rows:
        """The rows of a population's table."""
        query = exp.select(col("r", "entity"), col("r", "cutoff")).from_(table(population, "r"))
        return _rows(self._arrow(query.order_by(col("r", "cutoff"), col("r", "entity"))))

    def _aggregate(self, block: nodes.Aggregate, given: str, rows: Rows, made: list[str]) -> rings.Script:
        name = self._name("block")
        extracting: tuple[exp.Expr, ...] = ()
        for step in nodes.steps(block.anchor):
            self._prepare(step.end)
        anchored = f"{name}_rows"
        if isinstance(block.events, nodes.PastLabels):
            words = any(MEASURES[o.measure].categorical for o in block.outputs)
            lattice = lattice_of(block.events, rows, self.span)
            source = self._past_labels(block.events, lattice, words=words)
            made.append(source)
            anchor = anchors_of(block.events, lattice, rows)
            self._load(anchored, _numbered(rows.cutoffs, row=np.arange(len(rows)), anchor=anchor))
        else:
            source, extracting = self._extract_for(block.events)
            self._execute(create(anchored, asof.anchors(block.anchor, given, self._schema)))
        made.append(anchored)
        stretches = None
        if len(np.unique(rows.cutoffs)) <= _GRID:
            stretches = f"{name}_breaks"
            self._execute(create(stretches, rings.breaks(block.windows, anchored)))
            made.append(stretches)
        script = rings.aggregate(block, name, source, anchored, stretches)
        return rings.Script((*extracting, *script.statements), script.queries)

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
        name = self._name("past")
        self._load(name, made.rename_columns(["t", "anchor", "k"]).append_column("v0", shown))
        return name

    def _extract_for(self, node: nodes.Events) -> tuple[str, tuple[exp.Expr, ...]]:
        """The table of a path's events, and what is still to be run to make it.

        A large one is made where it is used and dropped after it; the others are made once and kept.
        """
        if self._schema.table(node.table).rows <= _LARGE:
            return self._extract(node), ()
        self._prepare_path(node)
        name = self._name("events")
        return name, (create(name, events.events(node, self._schema)),)

    def _prepare_path(self, node: nodes.Events) -> None:
        for step in nodes.steps(node.rows):
            self._prepare(step.end)
        for read in node.inputs:
            for hop in read.up:
                self._prepare(hop.end)

    def _extract(self, node: nodes.Events) -> str:
        """The table of a path's events, made once."""
        if node not in self._events:
            self._prepare_path(node)
            name = self._name("events")
            self._execute(create(name, events.events(node, self._schema)))
            self._events[node] = name
        return self._events[node]

    def _prepare(self, name: str) -> None:
        if name in self._prepared:
            return
        self._prepared.add(name)
        first = prepare.needed_first(name, self._schema)
        if first is not None:
            self._prepare(first)
        self._execute(prepare.prepare(name, self._schema))
        for key in prepare.one_row_keys(name, self._schema):
            refuse_repeats(self._connection, name, key, table(name, "e"))

    def _many_threads(self) -> None:
        self._connection.execute(f"SET threads = {self._threads}")

    def _name(self, kind: str) -> str:
        """A name for a work table, and for those named after it, that begins no name of the database."""
        while True:
            name = f"{kind}#{next(self._numbers)}"
            if not any(t.name.casefold().startswith(name) for t in self._schema.tables):
                return name

    def _load(self, name: str, data: pa.Table) -> None:
        self._connection.register("foretell_arrow", data)
        self._execute(create(name, exp.select(exp.Star()).from_("foretell_arrow")))
        self._connection.unregister("foretell_arrow")

    def _execute(self, statement: exp.Expr) -> None:
        with told(statement):
            self._connection.execute(statement.sql(dialect=DIALECT))

    def _arrow(self, query: exp.Expr) -> pa.Table:
        return _read(self._connection, query)

    def _one(self, query: exp.Expr) -> tuple[Any, ...]:
        found = self._connection.execute(query.sql(dialect=DIALECT)).fetchall()
        return tuple(found[0])

    def _drop(self, *names: str) -> None:
        for name in names:
            self._connection.execute(f"DROP TABLE IF EXISTS {table(name).sql(dialect=DIALECT)}")


def _numbered(cutoffs: npt.NDArray[np.int64], **columns: npt.NDArray[Any]) -> pa.Table:
    """A table of instants (cutoff) and whole numbers."""
    moments = pa.array(cutoffs).cast(pa.timestamp("us"))
    return pa.table({"cutoff": moments, **{n: pa.array(v, pa.int64()) for n, v in columns.items()}})


def _read(connection: duckdb.DuckDBPyConnection, query: exp.Expr) -> pa.Table:
    with told(query):
        return connection.sql(query.sql(dialect=DIALECT)).to_arrow_table()


def _fetch(query: exp.Select) -> Callable[[duckdb.DuckDBPyConnection], list[pa.Table]]:
    return lambda connection: [_read(connection, query)]


def _run(script: rings.Script) -> Callable[[duckdb.DuckDBPyConnection], list[pa.Table]]:
    def run(connection: duckdb.DuckDBPyConnection) -> list[pa.Table]:
        for statement in script.statements:
            with told(statement):
                connection.execute(statement.sql(dialect=DIALECT))
        fetched = [_read(connection, q) for q in script.queries]
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
        if isinstance(block, nodes.Aggregate)
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


def _rows(fetched: pa.Table) -> Rows:
    return Rows(
        np.asarray(fetched["entity"].to_numpy(), dtype=np.int64),
        np.asarray(fetched["cutoff"].cast(pa.int64()).to_numpy(), dtype=np.int64),
    )


def _flags(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.array(column.to_numpy(), dtype=np.bool_)


def _values(column: pa.ChunkedArray, dtype: DType) -> npt.NDArray[Any]:
    if dtype in NUMERIC and not pa.types.is_nested(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    made = np.empty(len(column), dtype=object)
    made[:] = column.to_pylist()
    return made


def _positive(counts: dict[str, int]) -> dict[str, int]:
    return {reason: int(count) for reason, count in counts.items() if count}


def _null(value: exp.Expr) -> exp.Expr:
    return exp.Is(this=value, expression=exp.Null())


def _not_null(value: exp.Expr) -> exp.Expr:
    return exp.Not(this=_null(value))


def _moment(instant: Instant) -> exp.Expr:
    return exp.func("MAKE_TIMESTAMP", exp.Literal.number(instant))
