"""A made-up database whose answer lies two links away, in no column and in no aggregate of one.

Each user tries things: a try has a colour, a thing has one too. Whether a user stays is whether most of their
tries met a thing of the same colour; how often either colour occurs says nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from foretell.core.random import generator
from foretell.core.time import DAY, parse_instant

BEGIN = parse_instant("2024-01-01")
TRIES = 7
THINGS = 40


@dataclass(frozen=True)
class World:
    """The tables, and the labels: each user at a cutoff after most of their tries."""

    frames: dict[str, pa.Table]
    labels: pa.Table


def make_world(users: int, seed: int = 0) -> World:
    rng = generator(seed, "matching")
    colours = np.array(["red", "blue"])
    things = rng.integers(0, 2, THINGS)
    thing = rng.integers(0, THINGS, (users, TRIES + 1))
    tried = rng.integers(0, 2, (users, TRIES + 1))
    joined = BEGIN + rng.integers(0, 200, users) * DAY
    at = joined[:, None] + np.arange(1, TRIES + 2) * DAY
    stays = (tried[:, :TRIES] == things[thing[:, :TRIES]]).sum(axis=1) > TRIES // 2
    time = pa.timestamp("us")
    frames = {
        "users": pa.table(
            {
                "user_id": np.arange(users),
                "joined": pa.array(joined, time),
                **{name: rng.normal(size=users) for name in ("height", "weight", "pace", "pulse")},
            }
        ),
        "things": pa.table({"thing_id": np.arange(THINGS), "colour": colours[things]}),
        "tries": pa.table(
            {
                "try_id": np.arange(users * (TRIES + 1)),
                "user_id": np.repeat(np.arange(users), TRIES + 1),
                "thing_id": thing.ravel(),
                "colour": colours[tried.ravel()],
                "at": pa.array(at.ravel(), time),
            }
        ),
    }
    cutoffs = joined + TRIES * DAY  # the last try comes after
    labels = pa.table({"user_id": np.arange(users), "cutoff": pa.array(cutoffs, time), "label": stays})
    return World(frames, labels)
