"""Questions about tables that are too large for arrays, asked of the working copy itself. See `lookup`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from foretell.core.time import DAY, Instant
from foretell.plan.begun import BEGUN, telling_links, with_begun
from foretell.plan.build import DIALECT, TIME, col, raw, template
from foretell.plan.prepare import met_by, read, time_link, visible_from
from foretell.schema.model import DType, Link, Schema
from foretell.store.quantile import quantile
from foretell.store.scan import Scan


@dataclass(frozen=True)
class Streamed:
    """Answers in one pass each, whatever the table's size."""

    scan: Scan
    schema: Schema

    def span(self, table: str, *, until: Instant | None, trim: float) -> tuple[Instant, Instant] | None:
        """The first and last instant of the visible rows, without a share of the earliest."""
        if not self.schema.is_timed(table):
            return None
        rows = self._seen(table, ()).subquery("e")
        query = exp.select(_micros(col("e", TIME)).as_("v")).from_(rows)
        if until is not None:
            query = query.where(exp.LTE(this=col("e", TIME), expression=_moment(until)))
        ends = exp.select(exp.func("MIN", col("q", "v")), exp.func("MAX", col("q", "v")))
        first, last = self._row(ends.from_(query.subquery("q")))
        if first is None or last is None:
            return None
        if trim:
            found = quantile(self.scan.connect(), query.sql(dialect=DIALECT), trim)
            assert found is not None
            first = found
        return int(first), int(last)

    def later_share(self, table: str, column: str, until: Instant) -> float:
        """The share of a time column's values that were written after their row came to be."""
        if not self.schema.is_timed(table):
            return self._later_share_untimed(table, column, until)
        rows = self._seen(table, (column,))
        # A row dated by the day may name a moment of that day.
        time = _micros(col("e", TIME))
        daily = self._row(exp.select(_undated(time)).from_(rows.subquery("e")))[0] == 0
        bound = exp.Add(this=time.copy(), expression=_number(DAY * daily))
        moment = _micros(col("e", column))
        later = exp.func("COUNT_IF", exp.GT(this=moment, expression=bound))
        count, known = self._row(
            exp.select(later, exp.func("COUNT", moment.copy())).from_(rows.subquery("e"))
        )
        return int(count or 0) / int(known) if known else 0.0

    def _later_share_untimed(self, table: str, column: str, until: Instant) -> float:
        links = telling_links(self.schema, table)
        keys = dict.fromkeys((column, *(c for k in links for c in k.parent_columns)))
        rows = self._seen(table, tuple(keys)).subquery("e")
        query = exp.select(_micros(col("e", column)).as_("v")).from_(rows)

        def events(link: Link) -> exp.Expr:
            return self._seen(link.child, link.child_columns).subquery("c")

        query = with_begun(query, "e", links, self.schema, events)
        moment, first = col("q", "v"), _micros(col("q", BEGUN))
        # A value dated by the day may be of any moment of that day.
        daily = self._row(exp.select(_undated(moment)).from_(query.subquery("q")))[0] == 0
        ends = exp.Add(this=moment.copy(), expression=_number(DAY * daily))
        later = template(
            "COUNT_IF(v > bound AND (first IS NULL OR ends >= first))",
            v=moment.copy(),
            bound=_number(until),
            first=first,
            ends=ends,
        )
        count, known = self._row(
            exp.select(later, exp.func("COUNT", moment.copy())).from_(query.subquery("q"))
        )
        return int(count or 0) / int(known) if known else 0.0

    def frequent(self, table: str, column: str, *, until: Instant | None, limit: int) -> tuple[str, ...]:
        """The most frequent values as text among rows visible at `until` (None: all), ties by value."""
        held = self.schema.table(table).column(column)
        wanted = [column, *([held.known_at] if held.known_at is not None else [])]
        value = exp.cast(col("e", column), "VARCHAR")
        query = exp.select(value.as_("value")).from_(self._seen(table, wanted).subquery("e"))
        query = query.where(exp.Not(this=exp.Is(this=col("e", column), expression=exp.Null())))
        if held.dtype is DType.TEXT:
            # SQL text ends at a NUL, so such a value cannot be asked for.
            nul = exp.Anonymous(this="CHR", expressions=[_number(0)])
            has = exp.Anonymous(this="CONTAINS", expressions=[value.copy(), nul])
            query = query.where(exp.Not(this=has))
        if until is not None:
            bounds = [TIME] if self.schema.is_timed(table) else []
            for bound in (*bounds, *wanted[1:]):
                query = query.where(exp.LTE(this=col("e", bound), expression=_moment(until)))
        most = exp.Ordered(this=exp.func("COUNT", exp.Star()), desc=True)
        query = query.group_by(value.copy()).order_by(most, value.copy()).limit(limit)
        return tuple(self.scan.query(query, rows=self.scan.rows(table))["value"].to_pylist())

    def fellows(self, link: Link) -> float:
        """How many rows share a parent with a row, on average over the rows."""
        keys = [col("e", c) for c in link.child_columns]
        known = [exp.Not(this=exp.Is(this=k.copy(), expression=exp.Null())) for k in keys]
        groups = exp.select(exp.func("COUNT", exp.Star()).as_("n"))
        groups = groups.from_(self._seen(link.child, link.child_columns).subquery("e"))
        groups = groups.where(exp.and_(*known)).group_by(*keys)
        wide = exp.cast(col("g", "n"), "DOUBLE")
        squares = exp.func("SUM", exp.Mul(this=wide, expression=col("g", "n")))
        total, rows = self._row(
            exp.select(squares, exp.func("SUM", col("g", "n"))).from_(groups.subquery("g"))
        )
        return float(total) / float(rows) if total and rows else 0.0

    def _seen(self, table: str, columns: Sequence[str]) -> exp.Select:
        """The rows that are visible at some time: columns as read, and from when on they are."""
        source, path = self.schema.table(table), self.schema.time_path(table)
        values = [self.scan.value(table, c).as_(c, quoted=True) for c in columns]
        query = exp.select(*values).from_(raw(table, "r"))
        if path is None:
            return query if values else query.select(exp.true())
        link = time_link(table, self.schema)
        if link is None:
            moment = read(source.column(path[1]), self.schema)
        else:
            moment = col("p", TIME)
            parent = self._seen(link.parent, link.parent_columns).subquery("p")
            query = query.join(parent, on=met_by(link, self.schema))
        moment = visible_from(source, moment)
        query = query.select(moment.as_(TIME, quoted=True))
        return query.where(exp.Not(this=exp.Is(this=moment.copy(), expression=exp.Null())))

    def _row(self, query: exp.Expr) -> list[float | int | None]:
        found = self.scan.query(query)
        return [c[0].as_py() for c in found.columns]


def _undated(moment: exp.Expr) -> exp.Expr:
    """How many moments, in microseconds, are not a day's beginning."""
    rest = exp.Mod(this=moment.copy(), expression=_number(DAY))
    return exp.func("COUNT_IF", exp.NEQ(this=rest, expression=_number(0)))


def _micros(moment: exp.Expr) -> exp.Expr:
    return exp.func("EPOCH_US", moment)


def _moment(instant: Instant) -> exp.Expr:
    return exp.func("MAKE_TIMESTAMP", _number(instant))


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)
