"""What changed on a server since an earlier reading: told by counts and hashes that the server makes, so that
unchanged rows need not travel again.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from foretell.sources.base import RawTable, Reading
from foretell.sources.naming import mask
from foretell.sources.state import digest


@dataclass(frozen=True)
class Mark:
    """How many rows a table had, the sum of their hashes, and its highest key (None without such a key)."""

    rows: int
    hash: int
    last: int | None = None

    @classmethod
    def of(cls, text: str | None) -> Self | None:
        """Read back what `str` wrote.

        >>> Mark.of(str(Mark(2, -7, 5)))
        Mark(rows=2, hash=-7, last=5)
        """
        return None if text is None else cls(*json.loads(text))

    def __str__(self) -> str:
        return json.dumps([self.rows, self.hash, self.last])


@dataclass(frozen=True)
class Measured:
    """A table's mark, and that of its rows up to a key that was asked about."""

    whole: Mark
    head: Mark


class RemoteSnapshot:
    """What the snapshots of servers share: the rows of an earlier reading that are still there are kept.

    A table is kept whole where its rows and their hash are as they were. Where it has an integer primary key,
    rows were perhaps only added: those up to the key that was highest then are compared, and only the later
    ones are read. Everything else is read in full: a row that was changed or deleted shows in the hash.
    """

    tables: Sequence[RawTable]
    kept: dict[str, int]
    marks: dict[str, Mark]
    self_contained = True

    def resume(self, earlier: Mapping[str, Reading]) -> None:
        """Measure every table on the server, and keep of `earlier` what is still there."""
        self.kept, self.marks, self._after = {}, {}, {}
        for raw in self.tables:
            held = earlier.get(raw.name)
            before = Mark.of(held.mark) if held is not None and held.raw == raw else None
            key = self.cursor(raw)
            found = self.measure(raw, key, before.last if before is not None and key is not None else None)
            if found is None:
                continue
            self.marks[raw.name] = found.whole
            if before is None:
                continue
            if found.whole == before:
                self.kept[raw.name] = before.rows
            elif found.head == before and before.last is not None:
                self.kept[raw.name] = before.rows
                self._after[raw.name] = before.last

    def complete(self, table: str) -> bool:
        """Whether the kept rows of a table are all that there are."""
        return table in self.kept and table not in self._after

    def mark(self, table: str) -> str | None:
        """What tells later whether all rows read so far are still there, unchanged; None: nothing does."""
        found = self.marks.get(table)
        return None if found is None else str(found)

    def added(self, table: str) -> int:
        """How many rows a table has beside those kept."""
        return self.marks[table].rows - self.kept.get(table, 0) if table in self.marks else 0

    def after(self, raw: RawTable) -> tuple[str, int] | None:
        """The key, and its value, beyond which rows of a table are still to be read; None: all are."""
        last = getattr(self, "_after", {}).get(raw.name)
        key = self.cursor(raw)
        return None if last is None or key is None else (key, last)

    def cursor(self, raw: RawTable) -> str | None:
        """The integer column that is the table's whole primary key, if it has one."""
        if len(raw.primary_key) != 1:
            return None
        native = next(c.native for c in raw.columns if c.name == raw.primary_key[0])
        return raw.primary_key[0] if native.split("(")[0].split()[0] in WHOLE else None

    @abstractmethod
    def measure(self, raw: RawTable, key: str | None, last: int | None) -> Measured | None:
        """Count and hash a table's rows, and those whose `key` is at most `last`; None where it cannot."""


WHOLE = ("smallint", "integer", "bigint", "tinyint", "mediumint", "int")
"""Types of keys that go up, as servers call them."""


def place_of(url: str) -> str:
    """What a server's database is called among kept copies: its URL without the password.

    >>> place_of("postgresql://ann:s3cret@db/shop")
    'postgresql://ann:***@db/shop'
    """
    options = urlsplit(url).query
    return mask(url) + (f" #{digest(options)[:6]}" if options else "")
