"""How a memory cap is shared out between DuckDB, the arrays of tables and events, and everything else."""

from __future__ import annotations

from dataclasses import dataclass

from foretell.core.errors import UsageError
from foretell.core.size import parse_size, show_size

CODE = 400_000_000
"""What the process takes before any data: the interpreter and the libraries."""
LEAST = 700_000_000


@dataclass(frozen=True)
class Memory:
    """Bytes for each part of a run; what is left of the cap is for learning."""

    cap: int

    @classmethod
    def of(cls, said: str | int | None) -> Memory | None:
        """The cap as a person writes it, or in bytes; None for none.

        >>> two = Memory.of("2GB")
        >>> two.reading, two.duckdb, two.arrays
        (960000000, 400000000, 560000000)
        >>> Memory.of("100MB")
        Traceback (most recent call last):
        foretell.core.errors.UsageError: found a memory cap of 100 MB, expected at least 700 MB
        the libraries alone take 400 MB
        """
        if said is None:
            return None
        cap = parse_size(said, "memory") if isinstance(said, str) else said
        if cap < LEAST:
            raise UsageError(
                f"found a memory cap of {show_size(cap)}, expected at least {show_size(LEAST)}",
                mend=f"the libraries alone take {show_size(CODE)}",
            )
        return cls(cap)

    @property
    def reading(self) -> int:
        """For DuckDB's buffers while the database is read and its schema found; beyond, it works by way of
        the disk.
        """
        return int(0.6 * (self.cap - CODE))

    @property
    def duckdb(self) -> int:
        """For DuckDB's buffers from then on, beside the arrays."""
        return int(0.25 * (self.cap - CODE))

    @property
    def arrays(self) -> int:
        """For tables as arrays, and the events made of them."""
        return int(0.35 * (self.cap - CODE))
