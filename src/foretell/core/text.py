"""Words for people: nearest names, carets, counts and lists."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was probably meant to be, or None.

    >>> nearest("custmers", ["orders", "customers"])
    'customers'
    >>> nearest("xyz", ["orders", "customers"]) is None
    True
    """
    folded = {c.casefold(): c for c in candidates}
    if name.casefold() in folded:
        return folded[name.casefold()]
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, candidates: Sequence[str], *, shown: int = 8) -> str:
    """One sentence that mends an unknown name.

    >>> did_you_mean("ordrs", ["orders", "customers"])
    "did you mean 'orders'?"
    >>> did_you_mean("zzz", ["orders", "customers"])
    'there are: customers, orders'
    """
    best = nearest(name, candidates)
    if best is not None:
        return f"did you mean {best!r}?"
    if not candidates:
        return "there are none"
    names = sorted(candidates)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return "there are: " + ", ".join(names[:shown]) + more


def caret(text: str, start: int, end: int, *, width: int = 100) -> list[str]:
    """The line of `text` that holds `start`, and carets under start..end, each indented by two blanks.

    >>> caret("a b c", 2, 3)
    ['  a b c', '    ^']
    """
    start = min(max(start, 0), len(text))
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line = text[line_start : line_end if line_end >= 0 else len(text)].replace("\t", " ")
    column = start - line_start
    length = max(1, min(end, line_start + len(line)) - start)
    if len(line) > width:
        shift = max(0, min(column - width // 2, len(line) - width))
        line, column = line[shift : shift + width], column - shift
        length = max(1, min(length, width - column))
    return ["  " + line, "  " + " " * column + "^" * length]


def plural(count: int, noun: str, many: str | None = None) -> str:
    """A count with its noun.

    >>> plural(1, "row"), plural(2500, "row"), plural(2, "entity", "entities")
    ('1 row', '2,500 rows', '2 entities')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def listing(items: Sequence[str], *, last: str = "and") -> str:
    """Items as a phrase.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + f" {last} " + items[-1]
