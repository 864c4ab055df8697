"""What differs between two versions: the query, the schema, the features, the scores, how it was fitted."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foretell.lifecycle.version import Version
from foretell.models.criteria import title
from foretell.schema.changes import changes
from foretell.schema.model import Schema

_SCORES = ("model", "lift")
_FACTS = ("kind", "rows", "entities", "last_cutoff", "database", "snapshot")


@dataclass(frozen=True)
class Change:
    """A value that is not what it was; None where there was or is none."""

    what: str
    before: Any
    after: Any

    def to_dict(self) -> dict[str, Any]:
        return {"what": self.what, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Difference:
    """`query` holds the lines of both queries, each after "  ", "- " (gone) or "+ " (new); () where equal.

    `schema` tells what differs in sentences; `gained` and `lost` are names of features, `shared` how many
    both have. `scores` are those of both backtests, whether equal or not, each with value, low and high.
    """

    before: Version
    after: Version
    query: tuple[str, ...]
    schema: tuple[str, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    shared: int
    scores: tuple[Change, ...]
    facts: tuple[Change, ...]
    recipe: tuple[Change, ...]
    packages: tuple[Change, ...]

    @property
    def verdict(self) -> str:
        """Whether the scores can be compared, and what they say, in one sentence.

        Each was measured on its own rows; only a trial on the same rows tells which is better.
        """
        first, second = (v.backtest for v in (self.before, self.after))
        if first is None or second is None:
            return "One of the two has no backtest: nothing to compare their scores by."
        if first["metric"] != second["metric"] or self.query:
            return "They answer different questions: their scores do not compare."
        one, two = first["model"], second["model"]
        if one["low"] <= two["high"] and two["low"] <= one["high"]:
            return f"Their scores are alike: the 95% intervals of {title(first['metric'])} overlap."
        return f"Their scores differ: the 95% intervals of {title(first['metric'])} do not overlap."

    def to_dict(self) -> dict[str, Any]:
        return {
            "before": str(self.before),
            "after": str(self.after),
            "verdict": self.verdict,
            "query": list(self.query),
            "schema": list(self.schema),
            "features": {"gained": list(self.gained), "lost": list(self.lost), "shared": self.shared},
            "scores": [c.to_dict() for c in self.scores],
            "facts": [c.to_dict() for c in self.facts],
            "recipe": [c.to_dict() for c in self.recipe],
            "packages": [c.to_dict() for c in self.packages],
        }


def difference(before: Version, after: Version, schemas: tuple[Schema, Schema]) -> Difference:
    """Compare two versions; `schemas` are those of their models."""
    one, two = before.record, after.record
    old, new = one.get("features", []), two.get("features", [])
    return Difference(
        before,
        after,
        _lines(before.query, after.query),
        changes(*schemas),
        tuple(f for f in new if f not in set(old)),
        tuple(f for f in old if f not in set(new)),
        len(set(old) & set(new)),
        _scores(before.backtest or {}, after.backtest or {}),
        _changed({k: one.get(k) for k in _FACTS}, {k: two.get(k) for k in _FACTS}),
        _changed(one.get("recipe") or {}, two.get("recipe") or {}),
        _changed(one.get("packages") or {}, two.get("packages") or {}),
    )


def _lines(before: str | None, after: str | None) -> tuple[str, ...]:
    if before == after:
        return ()
    old, new = ((text or "labels of one's own").splitlines() for text in (before, after))
    return tuple(line for line in difflib.ndiff(old, new) if not line.startswith("?"))


def _scores(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    def named(told: Mapping[str, Any]) -> dict[str, Any]:
        name = title(str(told.get("metric", "")))
        return {
            f"{name} of the {k}" if k == "model" else f"{k} in {name}": told.get(k) for k in _SCORES if told
        }

    old, new = named(before), named(after)
    return tuple(Change(what, old.get(what), new.get(what)) for what in dict.fromkeys([*old, *new]))


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    names = dict.fromkeys([*before, *after])
    return tuple(Change(n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n))
