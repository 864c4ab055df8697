"""Labels and features as one commented SQL script, for people to read, to check and to run in DuckDB.

It runs as it stands, once the database is attached and in use. Everything it makes lives in an in-memory
database called foretell; nothing is written to the one that is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from foretell.core.time import Instant, format_instant
from foretell.plan import asof, nested, nodes, prepare, rings, target
from foretell.plan.build import DIALECT, SPACE, TIME, col, create, table, template
from foretell.plan.events import events, followed
from foretell.plan.lattice import Lattice, looking_back
from foretell.plan.measures import MEASURES
from foretell.plan.proof import prove
from foretell.schema.model import DType, Schema


def script(
    plan: nodes.FeaturePlan,
    labels: nodes.Target | None,
    schema: Schema,
    cutoffs: Sequence[Instant],
    descriptions: Mapping[str, str],
    *,
    describe_title: str = "",
) -> str:
    """The script for these cutoffs. It ends in two queries: the labels, and the features of the same rows.

    Past labels go back from each cutoff in whole steps, as far as the first row that counts.
    """
    prove(plan, schema)
    if labels is not None:
        prove(labels, schema)
        if labels.horizon is None:
            cutoffs = [max(cutoffs)]  # a static target's rows have cutoffs of their own, up to this one
    writer = _Writer(schema, descriptions)
    writer.say(f"{describe_title}\n{_USAGE}")
    writer.line(f"ATTACH ':memory:' AS {SPACE};")
    writer.rows(plan, labels, cutoffs)
    if labels is not None:
        writer.show_labels(plan, labels)
    query, values = writer.features(plan, cutoffs)
    keys = [*(col("e", k) for k in plan.key), col("r", "cutoff")]
    named = [value.as_(output, quoted=True) for output, value in values.items()]
    writer.put(query.select(*keys, *named).order_by(col("r", "row")))
    return "\n".join(writer.lines) + "\n"


def rows_query(
    plan: nodes.FeaturePlan,
    labels: nodes.Target,
    schema: Schema,
    cutoffs: Sequence[Instant],
    descriptions: Mapping[str, str],
) -> tuple[str, exp.Select]:
    """The statements that make labels and features at these cutoffs, and the SELECT of them after those.

    Its columns are "time" (the cutoff), entity (a number), label, and f0, f1, … in the order of the plan's
    outputs. The statements may be run again in the same session.
    """
    prove(plan, schema)
    prove(labels, schema)
    writer = _Writer(schema, descriptions)
    writer.line(f"ATTACH IF NOT EXISTS ':memory:' AS {SPACE};")
    writer.rows(plan, labels, [max(cutoffs)] if labels.horizon is None else cutoffs)
    query, values = writer.features(plan, cutoffs)
    on = [exp.EQ(this=col("l", name), expression=col("r", name)) for name in ("entity", "cutoff")]
    query = query.join(table(writer.all_labels, "l"), on=exp.and_(*on))
    query = query.select(col("r", "cutoff").as_("time", quoted=True), col("r", "entity"), col("l", "label"))
    for i, output in enumerate(plan.outputs):
        query = query.select(values[output].as_(f"f{i}"))
    return "\n".join(writer.lines) + "\n", query


_USAGE = """Run it in DuckDB, with the database attached and in use:
  duckdb -cmd "ATTACH 'my.duckdb' AS asked (READ_ONLY); USE asked" < this-file.sql"""


_CONTRASTS = {
    nodes.Comparison.DIFFERENCE: "l - r",
    nodes.Comparison.RATIO: "CASE WHEN r > 0 THEN l / r END",
}


class _Writer:
    """Statements in order, each after the tables that it reads."""

    def __init__(self, schema: Schema, descriptions: Mapping[str, str]) -> None:
        self.schema = schema
        self.descriptions = descriptions
        self.lines: list[str] = []
        self.prepared: set[str] = set()
        self.extracted: dict[nodes.Events, str] = {}
        self.count = 0
        self.all_cutoffs, self.all_rows, self.all_labels = map(self.free, ("cutoffs", "rows", "labels"))

    def free(self, name: str) -> str:
        """The name, with a mark where a table of the database has it."""
        taken = {t.name.casefold() for t in self.schema.tables}
        while name in taken:
            name += "_"
        return name

    def say(self, text: str) -> None:
        self.lines += ["", *(f"-- {line}".rstrip() for line in text.split("\n"))]

    def line(self, text: str) -> None:
        self.lines.append(text)

    def put(self, statement: exp.Expr) -> None:
        self.line(statement.sql(dialect=DIALECT, pretty=True) + ";")

    def name(self, kind: str) -> str:
        self.count += 1
        return self.free(f"{kind}_{self.count}")

    def prepare(self, name: str) -> None:
        if name in self.prepared:
            return
        self.prepared.add(name)
        first = prepare.needed_first(name, self.schema)
        if first is not None:
            self.prepare(first)
        known = "each row visible from __time on" if self.schema.is_timed(name) else "no time: read as of now"
        self.say(f"Table {name}: {known}; __row is its rank in (time, key) order.")
        self.put(prepare.prepare(name, self.schema))

    def events(self, node: nodes.Events) -> str:
        if node not in self.extracted:
            for step in nodes.steps(node.rows):
                self.prepare(step.end)
            for read in node.inputs:
                for hop in read.hops:
                    self.prepare(hop.end)
            name = self.name("events")
            path = " → ".join(step.end for step in nodes.steps(node.rows))
            self.say(f"Events of {path}: one row each, with its time t and what is read of it.")
            self.put(create(name, events(node, self.schema)))
            self.extracted[node] = name
        return self.extracted[node]

    def moments(self, name: str, cutoffs: Sequence[Instant]) -> None:
        values = _values("c", ("cutoff",), [(_moment(c),) for c in cutoffs])
        self.put(create(name, exp.select(exp.Star()).from_(values)))

    def rows(self, plan: nodes.FeaturePlan, labels: nodes.Target | None, cutoffs: Sequence[Instant]) -> None:
        """foretell.rows (row, entity, cutoff), and the labels where they are computed."""
        self.prepare(plan.entity)
        self.say("The cutoffs.")
        self.moments(self.all_cutoffs, cutoffs)
        source: exp.Expr
        if labels is None:
            self.say("The labels are given; these are their entities at each cutoff.")
            source = exp.select(col("e", "__row").as_("entity"), col("c", "cutoff")).from_(
                table(plan.entity, "e")
            )
            source = source.join(table(self.all_cutoffs, "c"), join_type="cross").subquery("l")
        else:
            made = self.labelled(labels, self.all_cutoffs, self.all_labels)
            source = table(made, "l")
        rank = exp.Window(
            this=exp.func("ROW_NUMBER"),
            order=exp.Order(expressions=[col("l", "cutoff"), col("l", "entity")]),
        )
        self.say("The rows that features are made for.")
        self.put(
            create(
                self.all_rows,
                exp.select(
                    exp.Sub(this=rank, expression=exp.Literal.number(1)).as_("row"),
                    col("l", "entity"),
                    col("l", "cutoff"),
                ).from_(source),
            )
        )

    def show_labels(self, plan: nodes.FeaturePlan, labels: nodes.Target) -> None:
        """The query of the labels."""
        self.say("The labels.")
        keys = [col("e", k) for k in labels.key]
        query = exp.select(*keys, col("l", "cutoff"), col("l", "label"))
        query = query.from_(table(self.all_labels, "l"))
        on = exp.EQ(this=col("e", "__row"), expression=col("l", "entity"))
        self.put(query.join(table(plan.entity, "e"), on=on).order_by(col("l", "cutoff"), col("l", "entity")))

    def labelled(self, plan: nodes.Target, cutoffs: str, name: str) -> str:
        """The table `name` (entity, cutoff, label, …) of kept labels at the cutoffs of a table."""
        self.prepare(plan.population.table)
        people = self.name("population")
        self.say("Who exists at each cutoff.")
        self.put(create(people, target.population(plan, cutoffs, self.schema)))
        shared = None if plan.horizon is None else cutoffs
        values: dict[int, str] = {}
        for i, aggregate in enumerate(plan.aggregates):
            extracted = self.events(aggregate.events)
            values[i] = self.name("value")
            self.say(
                f"{aggregate.function} over (cutoff + {aggregate.window.start}, "
                f"cutoff + {aggregate.window.end}] of {aggregate.events.table}."
            )
            self.put(create(values[i], target.aggregated(aggregate, extracted, people, grid=shared)))
        made = target.labelled(plan, people, values, self.schema).subquery("l")
        known = exp.Not(this=exp.Is(this=col("l", "label"), expression=exp.Null()))
        kept = exp.select(exp.Star()).from_(made)
        self.say("The labels of those that WHERE chooses, where ASSUMING held and there is a value.")
        self.put(create(name, kept.where(exp.and_(col("l", "chosen"), col("l", "assumed"), known))))
        return name

    def features(
        self, plan: nodes.FeaturePlan, cutoffs: Sequence[Instant]
    ) -> tuple[exp.Select, dict[str, exp.Expr]]:
        """The rows joined with all that is made of them, as a query without columns; and each feature's
        value.
        """
        found: list[tuple[str, list[str]]] = []
        for block in plan.blocks:
            self.say("\n".join(self._about(block)))
            match block:
                case nodes.AsOf():
                    for step in nodes.steps(block.source):
                        self.prepare(step.end)
                    found.append(self._keep(asof.asof(block, self.all_rows, self.schema)))
                case nodes.Calendar():
                    found.append(self._keep(asof.calendar(block, self.all_rows)))
                case nodes.Aggregate():
                    found.extend(self._aggregate(block, cutoffs))
                case nodes.Nested():
                    found.extend(self._nested(block))
        self.say("The features, one row for each (entity, cutoff).")
        empties = {
            o.name: MEASURES[o.measure].empty
            for b in plan.blocks
            if isinstance(b, nodes.Aggregate | nodes.Nested)
            for o in b.outputs
        }
        query = exp.Select().from_(table(self.all_rows, "r"))
        query = query.join(
            table(plan.entity, "e"), on=exp.EQ(this=col("e", "__row"), expression=col("r", "entity"))
        )
        values: dict[str, exp.Expr] = {}
        for i, (name, outputs) in enumerate(found):
            alias = f"f{i}"
            on = exp.EQ(this=col(alias, "row"), expression=col("r", "row"))
            query = query.join(table(name, alias), on=on, join_type="left")
            for output in outputs:
                value: exp.Expr = col(alias, output)
                if empties.get(output) is not None:
                    value = exp.func("COALESCE", value, exp.Literal.number(0))
                values[output] = value
        for contrast in plan.contrasts:
            text = _CONTRASTS[contrast.how]
            values[contrast.name] = template(text, l=values[contrast.left], r=values[contrast.right])
            said = self.descriptions.get(contrast.name, "")
            self.say(f"  {contrast.name}: {said}")
        return query, {output: value for output, value in values.items() if output not in plan.passing}

    def _about(self, block: nodes.Block) -> list[str]:
        names = nodes.output_names(block)
        shown = [f"  {n}: {self.descriptions.get(n, '')}" for n in names]
        return [f"{len(names)} features:", *shown]

    def _keep(self, query: exp.Select) -> tuple[str, list[str]]:
        name = self.name("features")
        self.put(create(name, query))
        return name, [s.alias_or_name for s in query.selects if s.alias_or_name != "row"]

    def _aggregate(
        self, block: nodes.Aggregate, cutoffs: Sequence[Instant]
    ) -> Iterator[tuple[str, list[str]]]:
        for step in nodes.steps(block.anchor):
            self.prepare(step.end)
        name = self.name("block")
        if isinstance(block.events, nodes.PastLabels):
            until = {c: c if block.ago is None else (-block.ago).after(c) for c in cutoffs}
            lattice = looking_back(block.events, until.values(), -(2**62))
            words = any(MEASURES[o.measure].categorical for o in block.outputs)
            source = self._past(block.events, lattice, words)
            self.put(create(f"{name}_rows", self._phased(block.events, lattice, until)))
        else:
            source = self.events(block.events)
            anchors = asof.anchors(block.anchor, self.all_rows, self.schema, block.ago)
            self.put(create(f"{name}_rows", anchors))
        yield from self._run(rings.aggregate(block, name, source, f"{name}_rows", None))

    def _nested(self, block: nodes.Nested) -> Iterator[tuple[str, list[str]]]:
        for step in nodes.steps(block.anchor):
            self.prepare(step.end)
        assert isinstance(block.inner.events, nodes.Events), "earlier labels are of entities, not of members"
        name, members, source = (
            self.name("block"),
            self.events(block.members),
            self.events(block.inner.events),
        )
        self.say(
            f"Each of {block.members.table} that a row sees, what it comes to, and the measures over them."
        )
        self.put(create(f"{name}_rows", asof.anchors(block.anchor, self.all_rows, self.schema)))
        yield from self._run(nested.nested(block, name, members, source, f"{name}_rows", None))

    def _run(self, made: rings.Script) -> Iterator[tuple[str, list[str]]]:
        for statement in made.statements:
            self.put(statement)
        for query in made.queries:
            yield self._keep(query)

    def _phased(
        self, past: nodes.PastLabels, lattice: Lattice, until: Mapping[Instant, Instant]
    ) -> exp.Select:
        """The rows and until when each sees, with the entity in the phase of that time as the anchor."""
        known = [(_moment(c), _moment(at), _number(lattice.phases[at])) for c, at in until.items()]
        pairs = _values("p", ("cutoff", "until", "phase"), known)
        on = exp.EQ(this=col("p", "cutoff"), expression=col("r", "cutoff"))
        anchor = _anchor(past, col("r", "entity"), lattice).as_("anchor")
        return (
            exp.select(col("r", "row"), anchor, col("p", "until").as_("cutoff"))
            .from_(table(self.all_rows, "r"))
            .join(pairs, on=on)
        )

    def _past(self, past: nodes.PastLabels, lattice: Lattice, words: bool) -> str:
        """Own labels at earlier cutoffs, as events from the close of their windows on."""
        whose = "Everyone's" if past.everyone else "The entity's own"
        self.say(f"{whose} labels at earlier cutoffs count from the close of their windows on.")
        earlier, made, name = self.name("cutoffs"), self.name("labels"), self.name("events")
        self.moments(earlier, sorted({at for at, _, _ in lattice.earlier}))
        self.labelled(past.target, earlier, made)
        dtype = past.target.target.dtype
        label: exp.Expr = col("l", "label")
        if dtype is DType.BOOLEAN and not words:
            label = exp.cast(label, "INT")
        text = words or dtype is DType.TEXT
        order = exp.Order(expressions=[col("l", "cutoff"), col("l", "entity")])
        known = [(_moment(at), _moment(from_), _number(phase)) for at, from_, phase in lattice.earlier]
        counted = exp.select(
            _anchor(past, col("l", "entity"), lattice).as_("anchor"),
            col("p", "known").as_("t"),
            exp.Window(this=exp.func("ROW_NUMBER"), order=order).as_("k"),
            exp.cast(label, "VARCHAR" if text else "DOUBLE").as_("v0"),
        ).from_(table(made, "l"))
        on = exp.EQ(this=col("p", "cutoff"), expression=col("l", "cutoff"))
        counted = counted.join(_values("p", ("cutoff", "known", "phase"), known), on=on)
        # Before the first row that the target counts there was nothing to label.
        for aggregate in past.target.aggregates:
            if aggregate.window.is_future and self.schema.is_timed(aggregate.events.table):
                first = exp.select(exp.func("MIN", col("e", TIME))).from_(table(aggregate.events.table, "e"))
                counted = counted.where(exp.GTE(this=col("l", "cutoff"), expression=first.subquery()))
        read = nodes.Input(
            past.target.target.expr, DType.TEXT if text else DType.FLOAT, following=past.following
        )
        self.put(create(name, followed(counted, [read])))
        return name


def _anchor(past: nodes.PastLabels, entity: exp.Expr, lattice: Lattice) -> exp.Expr:
    """An entity (or everyone) in one phase, as one number."""
    if past.everyone:
        return col("p", "phase")
    return exp.Add(this=exp.Mul(this=entity, expression=_number(lattice.count)), expression=col("p", "phase"))


def _moment(instant: Instant) -> exp.Expr:
    return exp.cast(exp.Literal.string(format_instant(instant)), "TIMESTAMP")


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _values(alias: str, names: Sequence[str], rows: Sequence[tuple[exp.Expr, ...]]) -> exp.Values:
    """Rows written out, as a table."""
    columns = [exp.to_identifier(n, quoted=True) for n in names]
    tuples = [exp.Tuple(expressions=list(r)) for r in rows]
    return exp.Values(
        expressions=tuples, alias=exp.TableAlias(this=exp.to_identifier(alias), columns=columns)
    )
