"""What is told to a client holds no password and no path of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretell.core.errors import ForetellError
from foretell.sources.naming import mask

_LOGIN = re.compile(r"(?<=://)[^\s/@'\"]*:[^\s@'\"]*(?=@)")
_PATH = re.compile(r"(?<![\w:/.])(?:~|[A-Za-z]:)?(?:[/\\][^\s'\"/\\:,;()<>|]+){2,}[/\\]?")


def called(target: str) -> str:
    """What a database is called where its path and its password are nobody's business.

    >>> called("/srv/data/shop.duckdb"), called("postgresql://ann:s3cret@db/shop")
    ('shop.duckdb', 'postgresql://ann:***@db/shop')
    """
    return mask(target) if "://" in target else Path(target).name or target


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
