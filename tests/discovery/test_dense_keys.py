"""Keys of counted numbers are ticked off; all others are grouped, and say the same."""

from __future__ import annotations

import pyarrow as pa
import pytest

from foretell.core.errors import SchemaError
from foretell.discovery.keys import verify_key
from foretell.discovery.profile import are_dense
from foretell.schema.model import Evidence, Origin
from foretell.sources.frames import FramesSource
from foretell.store.working import Store


@pytest.mark.parametrize(
    ("keys", "dense", "is_key"),
    [
        ([3, 1, 2], True, True),
        ([-2, 0, -1], True, True),
        ([3, 1, 3], False, False),
        ([3, None, 1], False, False),
        ([1, 2, 2**62], False, True),
        ([-(2**63), 2**63 - 1], False, True),
        ([1, 2**62, 2**62], False, False),
    ],
)
def test_a_key_is_checked_either_way(keys: list[int | None], dense: bool, is_key: bool) -> None:
    with Store.load(FramesSource({"t": pa.table({"id": pa.array(keys, pa.int64())})}).snapshot()) as store:
        assert are_dense(store, "t", "id") is dense
        if is_key:
            verify_key(store, "t", ("id",), Evidence(Origin.DECLARED))
        else:
            with pytest.raises(SchemaError):
                verify_key(store, "t", ("id",), Evidence(Origin.DECLARED))
