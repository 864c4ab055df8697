"""Amounts of memory and disk as a person writes them."""

from __future__ import annotations

import re

from foretell.core.errors import UsageError

_UNITS = {"": 1, "b": 1} | {
    f"{letter}{end}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for end, base in (("", 1000), ("b", 1000), ("ib", 1024))
}


def parse_size(text: str, what: str = "a size") -> int:
    """The number of bytes; `what` names the setting in the error.

    >>> parse_size("2GB"), parse_size("1.5 GiB"), parse_size("0")
    (2000000000, 1610612736, 0)
    >>> parse_size("lots", "--memory")
    Traceback (most recent call last):
    foretell.core.errors.UsageError: found 'lots' for --memory, expected a size
    write it as '4GB' or '512 MiB'
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)\s*", text.lower())
    if found is None or found[2] not in _UNITS:
        raise UsageError(f"found {text!r} for {what}, expected a size", mend="write it as '4GB' or '512 MiB'")
    return int(float(found[1]) * _UNITS[found[2]])


def show_size(amount: float) -> str:
    """A number of bytes for a person to read.

    >>> show_size(1_234_567_890), show_size(999), show_size(45_600)
    ('1.2 GB', '999 B', '46 kB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.1f} {unit}" if amount < 9.95 and unit != "B" else f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
