"""The budget: which candidates are kept, so that no one path from the entity takes all of it.

Half of the budget is dealt to the paths in turn, each giving its best, the paths of most promise first. The
other half goes by rank alone. One path gets at most half of the budget while others have candidates left.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from foretell.features.candidates.scope import Candidate
from foretell.features.model import Aggregated, Attribute, Contrast, Feature, Nested


def path_of(feature: Feature) -> Hashable:
    """What competes for the budget as one: the rows that a feature is read from."""
    match feature.definition:
        case Attribute(up=up):
            return "row", tuple(str(h) for h in up)
        case Aggregated(up=up, down=down):
            return tuple(str(h) for h in up), tuple(str(h) for h in down)
        case Contrast(left=left, right=right) if (left.up, left.down) != (right.up, right.down):
            return "contrast", tuple(str(h) for h in (*left.up, *left.down))
        case Contrast(left=left):
            return tuple(str(h) for h in left.up), tuple(str(h) for h in left.down)
        case Nested(up=up, down=hop, inner=inner):
            return "nested", tuple(str(h) for h in (*up, hop)), tuple(str(h) for h in inner.down)
        case _:
            return feature.group


def choose(ranked: Sequence[Candidate], budget: int) -> tuple[list[Feature], list[Feature]]:
    """The features kept, at most `budget`, and those left over; both in the order given, best first."""
    features = [feature for _, feature in ranked]
    if len(features) <= budget:
        return features, []
    paths: dict[Hashable, list[int]] = {}
    for place, feature in enumerate(features):
        paths.setdefault(path_of(feature), []).append(place)
    half = max(1, budget // 2)
    kept = set(_dealt(list(paths.values()), half))
    counts = {path: sum(place in kept for place in places) for path, places in paths.items()}
    spared = []
    for place, feature in enumerate(features):
        path = path_of(feature)
        if len(kept) == budget:
            break
        if place in kept:
            continue
        if counts[path] < half:
            kept.add(place)
            counts[path] += 1
        else:
            spared.append(place)
    kept.update(spared[: budget - len(kept)])
    left = [f for place, f in enumerate(features) if place not in kept]
    return [features[place] for place in sorted(kept)], left


def _dealt(paths: Sequence[Sequence[int]], count: int) -> list[int]:
    """`count` places, one from each path in turn. The paths come in the order of their best.

    >>> _dealt([[0, 1, 2], [3], [4, 5]], 5)
    [0, 3, 4, 1, 5]
    """
    longest = max(map(len, paths), default=0)
    turns = [places[turn] for turn in range(longest) for places in paths if turn < len(places)]
    return turns[:count]
