"""Segments that chance alone picked do not reach confirmation, though they look strong in their own rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_mine_segments import visits

from foretell.features.matrix import Floats
from foretell.patterns.mine import segments
from foretell.patterns.mine.segments import Segment, mine_segments


def test_luck_is_no_segment_where_it_would_be_without_the_second_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Outcomes that have nothing to do with the customer: groups by their means are luck."""
    sheet = visits(5)
    rng = np.random.default_rng(5)
    luck: Floats = rng.gamma(0.3, 5.0, len(sheet))
    sheet = replace(sheet, outcomes=(replace(sheet.outcomes[0], name="luck", values=luck),))

    def lucky() -> list[Segment]:
        found = mine_segments(sheet, seconds=9, seed=0).candidates
        return [c for c in found if isinstance(c, Segment) and c.measured == "luck"]

    assert lucky() == []
    monkeypatch.setattr(segments, "_lasting", lambda segment, early: 99.0)
    assert lucky() != []
