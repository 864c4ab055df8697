"""What miners read beside sheets: baskets of items, streams of events, and times until something happens.

Like a sheet each has a `source`, a SELECT that gives its rows, so that a finding can be stated in SQL, and
holds all of history: the miners themselves look only at what was there before `split - gap`.
"""

from __future__ import annotations

from dataclasses import dataclass

from foretell.core.time import Instant
from foretell.features.matrix import Codes, Floats, Instants
from foretell.patterns.sheet import Attribute, Ints


@dataclass(frozen=True)
class Baskets:
    """What came together: the items of each transaction (the products of an order, the tags of a post).

    Transactions lie in the order of time; a row is an item of one, each at most once. Pairs that one of
    `kinds` joins are no news (a product and its category): kinds[k][i] is item i's kind, -1 for none.
    `source` has the columns "time", "entity", "transaction" and "item", the text that `labels` holds.
    """

    name: str  # of the table that rows come from
    title: str  # what transactions are, in the plural: "orders"
    item: str  # what an item is, in the singular: "product"
    times: Instants  # (transactions,), ascending
    entities: Ints  # (transactions,) whose it is
    transactions: Ints  # (rows,) positions in `times`
    items: Codes  # (rows,) positions in `labels`
    labels: tuple[str, ...]  # (items,) as in the source's column "item"
    split: Instant
    source: str
    preamble: str = ""
    gap: int = 0  # microseconds before the split that belong to neither part
    kinds: tuple[Codes, ...] = ()  # each (items,)

    def __post_init__(self) -> None:
        assert self.times.shape == self.entities.shape
        assert self.transactions.shape == self.items.shape
        assert len(self.times) < 2 or (self.times[1:] >= self.times[:-1]).all(), "not in the order of time"


@dataclass(frozen=True)
class Stream:
    """Events of several types that entities go through, in the order of time.

    `labels` tell the types in English, in the singular with their article: "a late delivery". `source` has
    the columns "time", "entity" and "type", the text that `types` holds.
    """

    name: str  # of what the events are about: the entities' table
    title: str  # the entities, in the plural: "customers"
    times: Instants  # (events,), ascending
    entities: Ints  # (events,)
    codes: Codes  # (events,) positions in `types`
    types: tuple[str, ...]  # as in the source's column "type"
    labels: tuple[str, ...]  # their English
    split: Instant
    source: str
    preamble: str = ""
    gap: int = 0

    def __post_init__(self) -> None:
        assert self.times.shape == self.entities.shape == self.codes.shape
        assert len(self.types) == len(self.labels)
        assert len(self.times) < 2 or (self.times[1:] >= self.times[:-1]).all(), "not in the order of time"


@dataclass(frozen=True)
class Durations:
    """How long it took until something happened, from each of some moments on.

    `days` are those until the event, NaN where it had not happened by `end`, up to which history is known.
    `source` has the columns "time", "entity", "days" (NULL: not yet) and the attributes' by name.
    """

    name: str  # of the table whose rows the moments are
    title: str  # what the moments are, in the plural: "orders"
    event: str  # what is waited for, in English: "the same customer's next order"
    times: Instants  # (rows,), ascending
    entities: Ints  # (rows,)
    days: Floats  # (rows,) > 0, or NaN
    attributes: tuple[Attribute, ...]  # known at the moment
    split: Instant
    end: Instant
    source: str
    preamble: str = ""
    gap: int = 0

    def __post_init__(self) -> None:
        assert self.times.shape == self.entities.shape == self.days.shape
        assert len(self.times) < 2 or (self.times[1:] >= self.times[:-1]).all(), "not in the order of time"
