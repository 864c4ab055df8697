"""What is told to a client holds no password and no path of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foretell.core.errors import ForetellError

_LOGIN = re.compile(r"(?<=://)[^\s/@'\"]*:[^\s@'\"]*(?=@)")
_PATH = re.compile(r"(?<![\w:/.])(?:~|[A-Za-z]:)?(?:[/\\][^\s'\"/\\:,;()<>|]+){2,}[/\\]?")


@dataclass(frozen=True)
class Veil:
    """Replaces `names` (what it is called here, and what a client is told) and whatever looks like a path.

    >>> Veil({"/srv/shop.duckdb": "the database"}).text("'/srv/shop.duckdb' is locked by /usr/bin/duckdb")
    "'the database' is locked by …"
    >>> Veil({}).text("no host in postgresql://anna:secret@db/shop")
    'no host in postgresql://…@db/shop'
    """

    names: Mapping[str, str]

    def text(self, said: str) -> str:
        """A sentence fit to be told."""
        for name in sorted(self.names, key=len, reverse=True):
            if len(name) > 1:
                said = said.replace(name, self.names[name])
        return _PATH.sub("…", _LOGIN.sub("…", said))

    def error(self, error: ForetellError) -> dict[str, Any]:
        """An error's fields, fit to be told."""
        told = error.to_dict()
        return {
            key: self.text(value)
            if isinstance(value, str)
            else [self.text(str(v)) for v in value]
            if isinstance(value, list)
            else value
            for key, value in told.items()
        }
