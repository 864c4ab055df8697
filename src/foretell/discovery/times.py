"""Time columns: which columns are times, and which one says when a row came to exist."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from foretell.core.errors import DataError
from foretell.core.text import listing, plural
from foretell.discovery.names import entity, vocabulary, words
from foretell.discovery.profile import ColumnFacts, TableFacts, recast
from foretell.schema.model import DType, Evidence, Origin
from foretell.sources.naming import quote
from foretell.store import Store

YEAR_1990, YEAR_2100 = 631_152_000, 4_102_444_800
EPOCHS = {"s": 1, "ms": 1_000, "us": 1_000_000}
PARSED = 0.99
"""Share of a text column's values that must read as ISO times."""
_ISO = r"^\s*\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?\s*$"
_ZONED = r"\d{2}:\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)\s*$"
_DATE_LIKE = r"^\s*(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2} ?[A-Za-z]{3,9} ?\d{2,4}|\d{9,13}$)"

CLOCK = vocabulary(
    """
    date datetime time timestamp ts dt at on day when datum zeit zeitpunkt tag fecha hora heure jour
    moment instant epoch utc
    """
)
BIRTH = vocabulary(
    """
    dob birth birthday birthdate born geburt geburtsdatum naissance nacimiento nascimento
    """
)
DEATH = vocabulary("dod death died deceased tod mort")
LATE = vocabulary(
    """
    end ended ends ending finish finished stop stopped close closed due expire expires expired expiry
    expiration cancel canceled cancelled deleted delete removed deactivated terminated termination until
    till to through last latest deadline valid_to complete completed completion resolved resolution out
    disch discharge exit left churned ende bis faellig fällig geloescht gelöscht beendet fin final
    vencimiento
    """
)
CHANGED = vocabulary(
    """
    update updated updates modify modified modification change changed edit edited refreshed touched
    geaendert geändert aktualisiert modifie modifié maj seen active activity access accessed login
    """
)
LATER = vocabulary(
    """
    ship shipped shipping deliver delivered delivery arrive arrived arrival paid payment return returned
    approved received receipt commit committed acknowledged acknowledge confirmed outcome recorded
    record stored store loaded load imported import extracted ingested processed synced verified review
    reviewed decision settled posted lieferung liefer geliefert bezahlt
    """
)
PLANNED = vocabulary(
    """
    scheduled schedule sched expected planned plan estimated estimate eta required require requested
    target promised promise next future projected proposed geplant
    """
)
BEGIN = vocabulary(
    """
    create created creation inserted insert registered register registration signup joined join joining
    opened open placed order ordered booked booking submitted submit issued issue entered admit admitted
    admission in intime start started starts begin began beginning first from since effective hire hired
    enrolled enrollment added made occurred event erstellt angelegt beginn anfang start von bestellt
    bestell eingang eintritt debut début inicio creado creation création alta commande pedido
    """
)


@dataclass(frozen=True)
class TimeChoice:
    """What is known about one table's times."""

    column: str | None
    evidence: Evidence | None
    formats: dict[str, str | None] = field(default_factory=dict)  # every time column, with its time_format
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=10_000)
def time_words(name: str) -> tuple[str, ...]:
    """A name's words with glued clock words taken apart.

    >>> time_words("admittime"), time_words("created_at"), time_words("startDate"), time_words("dob")
    (('admit', 'time'), ('created', 'at'), ('start', 'date'), ('dob',))
    """
    out: list[str] = []
    for word in words(name):
        glued = re.fullmatch(r"(.{2,}?)(datetime|timestamp|time|date|datum|day|zeit)", word)
        if glued and word not in CLOCK and word not in ("birthday", "update", "today", "lifetime", "runtime"):
            out += [glued[1], glued[2]]
        else:
            out.append(word)
    return tuple(out)


def rate_time_name(name: str, table: str) -> tuple[float | None, str]:
    """How much a time column's name speaks of a row's beginning; None: never the row's time.

    >>> rate_time_name("created_at", "orders")[0] > rate_time_name("updated_at", "orders")[0]
    True
    >>> rate_time_name("dob", "patients")
    (None, 'a birth')
    """
    said = set(time_words(name))
    if said & BIRTH:
        return None, "a birth"
    if said & DEATH:
        return None, "a death"
    for group, score, what in (
        (PLANNED, -2.0, "a plan"),
        (LATE, -3.0, "an end"),
        (CHANGED, -3.0, "a later change"),
        (LATER, -1.0, "a later step"),
    ):
        if said & group and not said & {"created", "first"}:
            return score, what
    if said & BEGIN:
        return 3.0, "a beginning"
    if said & set(entity(table)):
        return 2.2, "the table's own event"
    if said <= CLOCK:
        return 2.4, "a plain time"
    return (1.6 if said & CLOCK else 0.8), "a time"


def find_time(
    store: Store,
    table: TableFacts,
    ignored: frozenset[tuple[str, str]],
    formats: Mapping[str, str | None],
    keys: tuple[str, ...] = (),
) -> TimeChoice:
    """The table's time columns and the one that dates its rows. `formats` are set by hand and not guessed."""
    found: dict[str, str | None] = {}
    notes: list[str] = []
    for column in table.columns.values():
        if (table.name, column.name) in ignored or not column.filled:
            continue
        if column.name in formats:
            found[column.name] = formats[column.name]
        elif column.dtype is DType.TIMESTAMP:
            _refuse_misread_epoch(store, table, column)
            found[column.name] = None
        elif column.dtype is DType.INTEGER:
            unit = epoch_unit(column)
            if unit is not None:
                found[column.name] = unit
            elif _is_compact_date(column):
                notes.append(
                    f"{table.name}.{column.name} looks like dates written as 20240131: not used as a time"
                )
        elif column.dtype is DType.TEXT:
            is_time, note = _read_text(store, table, column)
            if is_time:
                found[column.name] = "iso" if table.stored.dtypes[column.name] is DType.TEXT else None
            if note:
                notes.append(note)
    choice, evidence, why = _choose(store, table, found)
    return TimeChoice(choice, evidence, found, (*notes, *why))


def epoch_unit(column: ColumnFacts) -> str | None:
    """'s', 'ms' or 'us' where a whole-number column is named like a time and holds 1990..2100."""
    said = set(time_words(column.name))
    if (not said & CLOCK and not said & (BEGIN | LATE | CHANGED)) or column.low is None:
        return None
    for unit, scale in EPOCHS.items():
        if YEAR_1990 * scale <= column.low and column.high <= YEAR_2100 * scale:
            return unit
    return None


def _is_compact_date(column: ColumnFacts) -> bool:
    return (
        bool(set(time_words(column.name)) & CLOCK)
        and column.low is not None
        and column.low >= 19_000_101
        and column.high <= 21_001_231
    )


def _read_text(store: Store, table: TableFacts, column: ColumnFacts) -> tuple[bool, str | None]:
    """Whether a text column holds ISO times; times with zones are converted to UTC in the store."""
    if column.longest > 64 or column.mean_length < 8:
        return False, None
    name, here = quote(column.name), f"{table.name}.{column.name}"
    some = f"(SELECT {name} FROM {quote(table.name)} WHERE {name} IS NOT NULL LIMIT 2000)"
    iso, like, rows = store.connection.execute(
        f"SELECT count(*) FILTER (WHERE regexp_matches({name}, '{_ISO}')), "
        f"count(*) FILTER (WHERE regexp_matches({name}, '{_DATE_LIKE}')), count(*) FROM {some}"
    ).fetchall()[0]
    named = bool(set(time_words(column.name)) & CLOCK)
    if iso < PARSED * rows:
        if max(iso, like) > 0.5 * rows and (named or like > 0.9 * rows):
            return False, f"{here} is text that looks like dates, but not in ISO format: not used as a time"
        return False, None
    parsed, zoned, filled = store.connection.execute(
        f"SELECT count(TRY_CAST({name} AS TIMESTAMP)), "
        f"count(*) FILTER (WHERE regexp_matches({name}, '{_ZONED}')), count({name}) FROM {quote(table.name)}"
    ).fetchall()[0]
    if parsed < PARSED * filled:
        return (
            False,
            f"{here} is text in mixed date formats ({filled - parsed:,} of {filled:,}): not used as a time",
        )
    if zoned and zoned < parsed:
        examples = store.connection.execute(
            f"(SELECT {name} FROM {quote(table.name)} WHERE regexp_matches({name}, '{_ZONED}') LIMIT 2) "
            f"UNION ALL "
            f"(SELECT {name} FROM {quote(table.name)} WHERE NOT regexp_matches({name}, '{_ZONED}') LIMIT 1)"
        ).fetchall()
        raise DataError(
            f"{here} mixes times with a zone ({zoned:,}) and times without ({parsed - zoned:,})",
            examples=[e[0] for e in examples],
            mend="write all of them in one way, or set ignore for the column in foretell.toml",
            table=table.name,
        )
    note = None
    if parsed < filled:
        note = f"{here}: {plural(filled - parsed, 'value')} cannot be read as a time and count as NULL"
    if zoned:
        recast(store, table, column, DType.TIMESTAMP)
    return True, note


def _refuse_misread_epoch(store: Store, table: TableFacts, column: ColumnFacts) -> None:
    """A whole column within the first weeks of 1970 is a Unix time read in the wrong unit."""
    if column.filled < 3 or column.distinct < 2:
        return
    if column.low.year == 1970 and column.high.year == 1970 and column.high.month <= 2:
        examples = store.connection.execute(
            f"SELECT DISTINCT {quote(column.name)} FROM {quote(table.name)} "
            f"WHERE {quote(column.name)} IS NOT NULL ORDER BY 1 LIMIT 3"
        ).fetchall()
        raise DataError(
            f"{table.name}.{column.name} lies wholly in early 1970 ({plural(column.filled, 'value')}): "
            "Unix times were read in the wrong unit",
            examples=[str(e[0]) for e in examples],
            mend="keep the whole number in the source and set time_format = 's', 'ms' or 'us' in "
            "foretell.toml, or set ignore for the column",
            table=table.name,
            count=column.filled,
        )


def _choose(
    store: Store, table: TableFacts, found: Mapping[str, str | None]
) -> tuple[str | None, Evidence | None, list[str]]:
    rated: list[tuple[float, int, str, str]] = []
    refused = []
    for position, name in enumerate(table.columns):
        if name not in found:
            continue
        score, what = rate_time_name(table.bare(name), table.name)
        if score is None or score <= -2.0:
            refused.append(f"{name} ({what})")
            continue
        score -= 4.0 * table.columns[name].null_fraction
        rated.append((score, -position, name, what))
    if not rated:
        notes = []
        if refused:
            notes.append(
                f"{table.name} has no time column: {listing(refused)} "
                f"{'does' if len(refused) == 1 else 'do'} not say when a row came to exist"
            )
        return None, None, notes
    if len(rated) > 1:
        firsts = _share_earliest(store, table, [r[2] for r in rated], found)
        rated = [(s + 0.7 * firsts[n], p, n, w) for s, p, n, w in rated]
    rated.sort(reverse=True)
    score, _, name, what = rated[0]
    column = table.columns[name]
    reasons = [f"named as {what}"]
    reasons.append("never NULL" if not column.nulls else f"{column.null_fraction:.0%} NULL")
    others = [r[2] for r in rated[1:]] + [r.split(" ")[0] for r in refused]
    notes = []
    if len(rated) > 1:
        margin = score - rated[1][0]
        confidence = min(0.97, 0.6 + 0.15 * margin + 0.05 * max(0.0, score))
    else:
        confidence = 0.95 if score >= 1.5 else 0.75
    if others:
        notes.append(
            f"{table.name} has several times; {name} is taken as the row's time ({'; '.join(reasons)}), "
            f"not {listing(others, last='or')}"
        )
    if column.null_fraction > 0.05:
        notes.append(
            f"{table.name}.{name} is NULL in {column.null_fraction:.0%} of rows: these are never seen"
        )
    return name, Evidence(Origin.INFERRED, round(max(0.3, confidence), 3), tuple(reasons)), notes


def as_timestamp(name: str, time_format: str | None) -> str:
    """The SQL that reads a time column of the store as a TIMESTAMP.

    >>> as_timestamp("at", "ms")
    'CAST(make_timestamp(CAST("at" * 1000 AS BIGINT)) AS TIMESTAMP)'
    """
    if time_format is None:
        return quote(name)
    if time_format == "iso":
        return f"TRY_CAST({quote(name)} AS TIMESTAMP)"
    factor = 1_000_000 // EPOCHS[time_format]
    return f"CAST(make_timestamp(CAST({quote(name)} * {factor} AS BIGINT)) AS TIMESTAMP)"


def _share_earliest(
    store: Store, table: TableFacts, names: list[str], found: Mapping[str, str | None]
) -> dict[str, float]:
    """For each candidate, the share of rows in which no other one lies on an earlier day."""
    values = [f"date_trunc('day', {as_timestamp(n, found[n])})" for n in names]
    least = f"least({', '.join(values)})"
    shares = ", ".join(
        f"avg(CASE WHEN {v} IS NULL THEN 0.5 WHEN {v} <= {least} THEN 1.0 ELSE 0.0 END)" for v in values
    )
    row = store.connection.execute(
        f"SELECT {shares} FROM (SELECT * FROM {quote(table.name)} LIMIT 100000)"
    ).fetchall()[0]
    return {n: float(s or 0.0) for n, s in zip(names, row)}
