"""Patterns over the names of features: which a person wants, which not, and which pattern fits nothing.

`*` stands for any text and `?` for one character; all else stands for itself, so that names such as
`orders[last]>shop_id` can be written as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from foretell.core.errors import ConfigError
from foretell.core.text import listing, nearest
from foretell.features.model import FeatureSet, LeftOut, OwnLabels
from foretell.schema.breadth import FeatureSettings

EXCLUDED = "excluded in foretell.toml"
NOT_INCLUDED = "not included in foretell.toml"


def matching(patterns: Iterable[str], names: Iterable[str]) -> frozenset[str]:
    """The names that any of the patterns fits.

    >>> sorted(matching(["orders[*", "*.count.?d"], ["orders[last]>shop", "visits.count.7d", "label.last"]))
    ['orders[last]>shop', 'visits.count.7d']
    """
    tests = [re.compile(_regex(p), re.DOTALL) for p in patterns]
    return frozenset(n for n in names if any(t.fullmatch(n) for t in tests))


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in pattern)


def chosen(features: FeatureSet, settings: FeatureSettings) -> FeatureSet:
    """The features that `include` and `exclude` leave; a ConfigError where they leave none.

    A pattern that fits no feature is noted: one foretell.toml serves many questions.
    """
    names = features.names
    notes = list(_unmatched("include", settings.include, names))
    notes += _unmatched("exclude", settings.exclude, names)
    wanted = matching(settings.include, names) if settings.include else frozenset(names)
    kept = wanted - matching(settings.exclude, names)
    if names and not kept:
        asked = "include" if not wanted else "exclude"
        mend = notes[0].partition(": ")[2] if notes else "take a pattern out"
        raise ConfigError(f"features.{asked} in foretell.toml leaves no feature", mend=mend)
    left_out = (
        LeftOut(NOT_INCLUDED, tuple(n for n in names if n not in wanted)),
        LeftOut(EXCLUDED, tuple(n for n in names if n in wanted and n not in kept)),
    )
    gone = [f for f in features.features if f.name not in kept]
    if any(isinstance(f.definition, OwnLabels) for f in gone):
        notes.append(
            "foretell.toml leaves past labels out, so the model is not compared with the simple rules that "
            "read them"
        )
    return FeatureSet(
        tuple(f for f in features.features if f.name in kept),
        (*features.left_out, *(x for x in left_out if x.names)),
        (*features.notes, *notes),
    )


def _unmatched(key: str, patterns: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        if not matching((pattern,), names):
            meant = _meant(pattern, names)
            mend = f"did you mean {meant!r}?" if meant else f"there are: {listing(sorted(_heads(names))[:8])}"
            yield f"features.{key} in foretell.toml: {pattern!r} fits no feature of this question: {mend}"


def _meant(pattern: str, names: Sequence[str]) -> str | None:
    """The pattern that was probably meant: a feature's name, or a part of one with a star behind it."""
    if "*" not in pattern and "?" not in pattern:
        return nearest(pattern, names)
    return nearest(pattern, _heads(names))


def _heads(names: Iterable[str]) -> dict[str, None]:
    """Patterns for the groups that names fall into, by what stands before their first two dots."""
    found: dict[str, None] = {}
    for name in names:
        for dot in [m.start() for m in re.finditer(r"\.", name)][:2]:
            found[f"{name[:dot]}.*"] = None
    return found
