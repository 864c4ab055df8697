"""From what was seen to findings: what is harm, what is for the digest, and how it is said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from foretell.core.text import listing, plural
from foretell.lifecycle.monitor.adversary import Adversary
from foretell.lifecycle.monitor.drift import UNLIKELY, Drift
from foretell.lifecycle.monitor.feeds import Feed
from foretell.lifecycle.monitor.finding import Finding, Severity
from foretell.schema.model import Schema

ALL = "all tables"
"""The subject of a finding about a database none of whose tables grows any more."""
UNSEEN, MORE = 0.02, 5.0
"""The share of entities with categories that no earlier window had, and how many times the usual share."""
NAMED = 3
"""Drifting features that are named in the sentence."""


def of_schema(changes: Sequence[str], schema: Schema, earlier: Sequence[str] | None) -> list[Finding]:
    """Changes that the model can live with are for the digest, once: `earlier` are those of the look before.

    At the first look (None) rows that point at nothing are no news: the model may know them so.
    """
    if earlier is None:
        links = tuple(f"{link.name}:" for link in schema.links)
        news = [c for c in changes if not c.startswith(links)]
    else:
        told = {_without_numbers(c) for c in earlier}
        news = [c for c in changes if _without_numbers(c) not in told]
    return [Finding(Severity.DIGEST, "schema", change.partition(" ")[0], change) for change in news]


def _without_numbers(text: str) -> str:
    return re.sub(r"\d[\d,]*", "#", text)


def of_feeds(feeds: Sequence[Feed]) -> list[Finding]:
    """Stopped tables are harm. Where all have stopped it is said once."""
    stopped = [f for f in feeds if f.stopped is not None]
    if len(stopped) > 1 and len(stopped) == len(feeds):
        ages = [f.age for f in feeds if np.isfinite(f.age)]
        text = f"no table has had a new row for {min(ages):,.1f} days" if ages else "no table has a row"
        return [Finding(Severity.PAGE, "feeds", ALL, text)]
    found = [Finding(Severity.PAGE, "feeds", f.table, f"{f.table} has stopped: {f.stopped}") for f in stopped]
    return found + [
        Finding(Severity.DIGEST, "feeds", f.table, f"{f.table} is unusual: {f.odd}")
        for f in feeds
        if f.stopped is None and f.odd is not None
    ]


def of_drift(
    descriptions: Mapping[str, str], features: Drift, predictions: Drift, told_apart: Adversary | None
) -> list[Finding]:
    """Drift is for the digest, whatever drifts."""
    found = []
    for moved in predictions.drifting:
        text = f"the {moved.name} is spread otherwise than it usually is (KS {moved.ks:.2f})"
        found.append(Finding(Severity.DIGEST, "predictions", moved.name, text))
    for f in features.features:
        if f.unseen >= UNSEEN and f.unseen > MORE * f.unseen_before:
            text = f"{f.unseen:.0%} of entities have a new category of “{descriptions.get(f.name, f.name)}”"
            found.append(Finding(Severity.DIGEST, "features", f.name, text))
    drifting = features.drifting
    if drifting:
        names = listing([f"“{descriptions.get(f.name, f.name)}”" for f in drifting[:NAMED]])
        more = f" and {len(drifting) - NAMED:,} more" if len(drifting) > NAMED else ""
        count = f"{len(drifting):,} of {plural(len(features.features), 'feature')}"
        verb = "drifts" if len(drifting) == 1 else "drift"
        found.append(Finding(Severity.DIGEST, "features", drifting[0].name, f"{count} {verb}: {names}{more}"))
    elif features.unusual:
        text = "the features together lie further from the past than they usually do"
        found.append(Finding(Severity.DIGEST, "features", "all features", text))
    if told_apart is not None and told_apart.p < UNLIKELY and not drifting:
        text = (
            f"rows of now are told from earlier ones with AUROC {told_apart.auroc:.2f}, "
            f"usually {told_apart.usual:.2f}"
        )
        found.append(Finding(Severity.DIGEST, "features", "all features", text))
    return found
