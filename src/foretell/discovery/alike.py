"""How much a column's name says that it refers to a table."""

from __future__ import annotations

from dataclasses import dataclass

from foretell.discovery.names import (
    KEY_WORDS,
    PEOPLE,
    PERSON_ROLES,
    SELF_ROLES,
    alike,
    alike_words,
    entity,
    says_key,
    singular,
    stem,
    vocabulary,
    words,
)
from foretell.discovery.profile import TableFacts
from foretell.schema.model import DType

_COUNTING = vocabulary(
    """
    n num number count total sum max min avg mean of by qty quantity per pct rate
    """
)
_GENERIC = frozenset({("id",), ("row", "id"), ("rowid",), ("key",), ("code",), ("name",), ("pk",), ("uuid",)})


@dataclass(frozen=True)
class NameMatch:
    """A score 0..1 with its reason; `same_entity`: the name is the parent table's own name."""

    score: float
    reason: str
    says_key: bool
    same_entity: bool


NO_MATCH = NameMatch(0.0, "", False, False)


def match_names(child: TableFacts, column: str, parent: TableFacts, key: str) -> NameMatch:
    """How surely `child.column` is meant to hold keys of `parent`, by names alone."""
    bare, bare_key = child.bare(column), parent.bare(key)
    said, thing = says_key(bare), entity(parent.name)
    base, key_base = stem(bare), stem(bare_key)
    same_entity = alike_words(base, thing) >= 0.9
    if bare.casefold() == bare_key.casefold() and words(bare_key) not in _GENERIC:
        return NameMatch(1.0, "named as the key", True, same_entity)
    if words(bare) and not said and child.columns[column].dtype is not DType.TEXT and _counts(bare):
        return NO_MATCH
    if child.name == parent.name:
        return _own_role(bare, base, thing, said)
    best = NO_MATCH
    for target in dict.fromkeys((thing, thing[-1:], key_base)):
        score, how = _overlap(base, target, said)
        if len(thing) > 1 and target == thing[-1:] and target != key_base:
            score *= 0.9  # 'item_id' may mean another table than 'order_items'
        if score > best.score:
            best = NameMatch(score, f"{how} {'_'.join(target)}", said, same_entity)
    return best


def _counts(bare: str) -> bool:
    """A whole number named in the plural or as a count is a quantity, whatever table it names."""
    said = [w for w in words(bare) if not w.isdigit()]
    return bool(set(said) & _COUNTING) or any(singular(w) != w for w in said[-1:])


def _overlap(base: tuple[str, ...], target: tuple[str, ...], said: bool) -> tuple[float, str]:
    """The target's words in the column's stem: all of it, its end, or (where the name says key) its start."""
    if not base or not target:
        return 0.0, ""
    whole = alike_words(base, target)
    if whole:
        return (0.95 if said else 0.9) * whole, "named after"
    size = len(target)
    if len(base) > size:
        last = alike_words(base[-size:], target)
        if last:
            return (0.9 if said else 0.85) * last, "its name ends in"
        if said and alike_words(base[:size], target):
            return 0.75 * alike_words(base[:size], target), "its name begins with"
        if said and any(alike_words(base[i : i + size], target) == 1.0 for i in range(len(base))):
            return 0.65, "its name contains"
    if said and target[-1] in PEOPLE and base[-1] in PERSON_ROLES:
        return 0.65, "a role of a"
    if (
        len(base) == 1
        and said
        and alike(base[0][-len(target[-1]) :], target[-1]) == 1.0
        and len(target[-1]) > 3
    ):
        return 0.7, "its name ends in"
    return 0.0, ""


def _own_role(bare: str, base: tuple[str, ...], thing: tuple[str, ...], said: bool) -> NameMatch:
    """A row that points at another row of its own table: parent_id, manager, reports_to, related_post_id."""
    roles = [w for w in words(bare) if w in SELF_ROLES]
    rest = tuple(w for w in base if w not in SELF_ROLES and w not in ("to", "by", "of"))
    ends = _overlap(base, thing, said)[0] or _overlap(base, thing[-1:], said)[0]
    if roles and (not rest or set(words(bare)) <= SELF_ROLES | KEY_WORDS | {"to", "by", "of"}):
        return NameMatch(0.85, f"'{roles[0]}' points within a table", True, False)
    if said and thing[-1] in PEOPLE and base and base[-1] in PERSON_ROLES:
        return NameMatch(0.65, f"a role of a {thing[-1]}", True, False)
    if ends and base != thing:
        return NameMatch(ends if roles else 0.9 * ends, "its name ends in its own table's", said, True)
    return NameMatch(0.5, f"'{roles[0]}' may point within a table", said, False) if roles else NO_MATCH
