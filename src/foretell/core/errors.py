"""Every error foretell raises on purpose, as one tree.

    ForetellError                 exit code 1
    ├── UsageError                exit code 2: the caller can mend the call itself
    │   ├── QueryError            the query's text or its meaning; points at the fault with a caret
    │   ├── ConfigError           foretell.toml or an option's value
    │   └── MissingExtraError     an optional dependency is not installed
    ├── SourceError               the database cannot be read
    ├── SchemaError               keys, links or times contradict the data
    ├── DataError                 values that no honest label or feature can be made from
    ├── LeakError                 a plan reads past its cutoff: never run
    ├── ModelFileError            a saved model is damaged, foreign or too new
    ├── RegistryError             the registry of models cannot be read or changed
    ├── WriteError                predictions could not be written to their destination
    └── GateError                 a check that the user asked for did not pass

An error says what was found, what was expected and how to mend it, and keeps these as fields for JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from foretell.core.text import caret


class ForetellError(Exception):
    """What went wrong, and how to mend it.

    >>> str(ForetellError("no table 'order'", mend="did you mean 'orders'?"))
    "no table 'order'\\ndid you mean 'orders'?"
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, mend: str | None = None, examples: Sequence[object] = (), **fields: Any
    ) -> None:
        self.message = message
        self.mend = mend
        self.examples = tuple(examples)[:3]
        self.fields = fields
        super().__init__(message)

    def __str__(self) -> str:
        lines = [self.message]
        if self.examples:
            lines.append("for example: " + ", ".join(repr(e) for e in self.examples))
        if self.mend:
            lines.append(self.mend)
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-ready fields: kind, message, mend, examples and what the error itself adds."""
        return {
            "error": type(self).__name__,
            "message": self.message,
            "mend": self.mend,
            "examples": [str(e) for e in self.examples],
            **{k: v if isinstance(v, int | float | bool | None) else str(v) for k, v in self.fields.items()},
        }


class UsageError(ForetellError):
    """The call itself is off; nothing was read or written."""

    exit_code = 2


class QueryError(UsageError):
    """A query that does not parse or does not fit the database.

    `start` and `end` are character offsets into `text`; the message shows the line with a caret under them.

    >>> print(QueryError("found 'dayz', expected a unit of time", text="… 30, dayz)", start=6, end=10,
    ...                  mend="did you mean 'days'?"))
    found 'dayz', expected a unit of time
      … 30, dayz)
            ^^^^
    did you mean 'days'?
    """

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        start: int = 0,
        end: int = 0,
        mend: str | None = None,
        examples: Sequence[object] = (),
        **fields: Any,
    ) -> None:
        super().__init__(message, mend=mend, examples=examples, start=start, end=end, **fields)
        self.text, self.start, self.end = text, start, end

    def __str__(self) -> str:
        head, *rest = super().__str__().split("\n")
        shown = caret(self.text, self.start, self.end) if self.text else []
        return "\n".join([head, *shown, *rest])


class ConfigError(UsageError):
    """A setting that cannot be used."""


class MissingExtraError(UsageError):
    """An optional dependency is needed and not installed."""


class SourceError(ForetellError):
    """The database cannot be opened or read. Passwords never appear in it."""


class SchemaError(ForetellError):
    """Keys, links or time columns contradict the data."""


class DataError(ForetellError):
    """Values from which no honest label or feature can be made."""


class LeakError(ForetellError):
    """A plan that would read past its cutoff. It is refused before anything runs."""


class ModelFileError(ForetellError):
    """A saved model that is damaged, not ours, or written by a newer release."""


class RegistryError(ForetellError):
    """The registry of models cannot be read or changed; what it held before, it holds still."""


class WriteError(ForetellError):
    """Predictions could not be written to their destination. Either all of a run is there or nothing."""


class GateError(ForetellError):
    """A check that the user asked for did not pass."""
