"""Names of a sheet's columns, and what they are called in sentences."""

from __future__ import annotations

from foretell.discovery.names import singular
from foretell.features.describe import words
from foretell.patterns.rows import Path
from foretell.schema.model import Schema

_COUNTED = {"id", "no", "nr", "num", "number", "code", "zip", "postcode", "phone", "key", "lat", "lon"}
_COUNTED |= {"latitude", "longitude"}
"""Last words of names whose numbers tell things apart, or places, and measure nothing."""


def free(name: str, taken: set[str]) -> str:
    """The name, with a mark where another has it already but for case; it is taken from then on.

    >>> held = {"time"}
    >>> free("Time", held), free("time", held), free("status", held)
    ('Time_', 'time__', 'status')
    """
    while name.casefold() in taken:
        name += "_"
    taken.add(name.casefold())
    return name


def is_number_of_a_thing(column: str) -> bool:
    """Whether a number only tells things apart, by its name.

    >>> is_number_of_a_thing("flight_no"), is_number_of_a_thing("distance")
    (True, False)
    """
    return words(column).split(" ")[-1] in _COUNTED


def who_of(schema: Schema, path: Path) -> str:
    """The parent at the end of a path, in the singular: by its table, or by the link where several lead
    there.
    """
    *_, link = path
    twins = [k for k in schema.active_links if (k.child, k.parent) == (link.child, link.parent)]
    said = words(link.parent) if len(twins) == 1 else words(link.child_columns[0]).removesuffix(" id")
    return singular_of(said)


def of_parent(schema: Schema, path: Path, column: str) -> str:
    """A parent's column in English: "customer country"."""
    who, said = who_of(schema, path), words(column)
    return said if said.split(" ")[0] == who.split(" ")[-1] else f"{who} {said}"


def singular_of(phrase: str) -> str:
    """
    >>> singular_of("invoice lines")
    'invoice line'
    """
    *first, last = phrase.split(" ")
    return " ".join((*first, singular(last)))


def plural_of(phrase: str) -> str:
    """
    >>> plural_of("home team"), plural_of("city"), plural_of("match")
    ('home teams', 'cities', 'matches')
    """
    if phrase[-1:] == "y" and phrase[-2:-1] not in "aeiou":
        return phrase[:-1] + "ies"
    return phrase + ("es" if phrase.endswith(("s", "x", "ch", "sh")) else "s")
