"""Which features belong together: by the story they tell, by the path they are read along, by the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from foretell.features.describe import role, words
from foretell.features.model import Aggregated, Attribute, Contrast, Feature, FeatureSet, Nested, Value
from foretell.plan.nodes import Following
from foretell.schema.model import Hop
from foretell.task.model import Task

PAST_LABELS = "past labels"
_INVOLVED = frozenset({"decayed_count", "decayed_sum", "trend", "std", "gap", "q10", "q90"})


def story(feature: Feature) -> str:
    """What features have in common that say one thing: the path and the value, whatever window or measure."""
    match feature.definition:
        case Aggregated(up=up, down=down, value=value):
            return _events_story((*up, *down), value)
        case Nested(up=up, down=hop, inner=inner):
            return f"each {_events_story((*up, hop, *inner.down), inner.value)}"
        case Contrast(left=left):
            return _events_story((*left.up, *left.down), left.value)
        case Attribute(up=up, column=column):
            return f"{path_key(up)}.{column}"
        case _:
            return PAST_LABELS if feature.group == PAST_LABELS else feature.name


def _events_story(path: tuple[Hop, ...], value: Value | None) -> str:
    walked = path_key(path)
    if value is None or value.following is Following.GAP:
        return walked
    read = path_key(value.up) + value.column
    return f"{walked}:{read}{'=' + value.equals if value.equals is not None else ''}"


def hops_of(feature: Feature) -> tuple[Hop, ...] | None:
    """The hops from the entity to the rows that a feature reads; None where it reads none."""
    match feature.definition:
        case Aggregated(up=up, down=down, value=value):
            return (*up, *down, *(value.up if value is not None else ()))
        case Nested(up=up, down=hop, inner=inner):
            return (*up, hop, *inner.down, *(inner.value.up if inner.value is not None else ()))
        case Contrast(left=left):
            return (*left.up, *left.down, *(left.value.up if left.value is not None else ()))
        case Attribute(up=up):
            return up
        case _:
            return None


def path_key(hops: Iterable[Hop]) -> str:
    """A path as a key; '' is the entity's own row."""
    return ">".join(str(h) for h in hops)


def path(feature: Feature) -> str:
    """The key of the path that a feature is read along; its group where it reads no rows ("calendar")."""
    hops = hops_of(feature)
    return feature.group if hops is None else path_key(hops)


def path_words(hops: Sequence[Hop], task: Task) -> str:
    """A path in English: "orders", "products of orders", "its shop", "orders of the same shop"."""
    if not hops:
        return f"own columns of {words(task.entity.name)}"
    said = ""
    for i, hop in enumerate(hops):
        if hop.up:
            parent = words(hop.link.child_columns[0]).removesuffix(" id")
            said = f"its {parent}" if not i else f"{parent} of {said}"
        else:
            rows = role((hop,), task.schema)
            same = said.replace("its ", "the same ", 1) if said.startswith("its ") else said
            said = rows if not i else f"{rows} of {same}"
    return said


def table(feature: Feature, entity: str = "") -> str:
    """The table that a feature is read from, by default that of the entity; else its group ("calendar")."""
    hops = hops_of(feature)
    if hops is None:
        return feature.group
    return hops[-1].end if hops else entity


def plainness(feature: Feature | None) -> float:
    """How readily a person takes a feature in: a count or a date at once, a decayed sum or a slope hardly."""
    definition = feature.definition if feature is not None else None
    if isinstance(definition, Nested | Contrast):
        return 0.3
    return 0.3 if getattr(definition, "measure", "") in _INVOLVED else 1.0


def grouped(
    names: Sequence[str], features: FeatureSet, key: Callable[[Feature], str]
) -> dict[str, list[int]]:
    """The places of columns by what `key` says of their features; an unknown column is alone."""
    known: Mapping[str, Feature] = {f.name: f for f in features.features}
    found: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        found.setdefault(key(known[name]) if name in known else name, []).append(i)
    return found
