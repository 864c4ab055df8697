"""Labels that are brought along without a horizon: they are settled at their cutoff and have no window."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa

import foretell
from foretell.testing.shop import shop_frames


def test_they_can_be_learned() -> None:
    frames = shop_frames(customers=80, days=300)
    customers = frames["customers"]["customer_id"].to_pylist()
    first = min(frames["orders"]["ordered_at"].to_pylist())
    rows = [(who, first + timedelta(days=60 + 30 * k)) for k in range(7) for who in customers]
    labels = pa.table(
        {
            "customer_id": [who for who, _ in rows],
            "cutoff": [at for _, at in rows],
            "label": np.random.default_rng(0).normal(size=len(rows)),
        }
    )
    with foretell.connect(frames) as database:
        model = database.given(labels, entity="customers.customer_id").fit(time_limit=1, model="trees")
        assert any("30d" in name or "30 days" in name for name in model.features.names)
        assert len(model.predict(as_of=str(rows[-1][1]))) > 0
