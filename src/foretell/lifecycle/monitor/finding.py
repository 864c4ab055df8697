"""What monitoring found, how much it matters, and the one sentence that it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from foretell.core.text import plural


class Severity(StrEnum):
    """How much a finding matters: nothing to do, something to read when there is time, or harm being done."""

    OK = "ok"
    DIGEST = "digest"
    PAGE = "page"


_ORDER = tuple(Severity)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was. `area` is schema, feeds, performance, predictions or features;
    `subject` the table, column or feature it is about.
    """

    severity: Severity
    area: str
    subject: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "severity": self.severity.value,
            "area": self.area,
            "subject": self.subject,
            "text": self.text,
        }


def worst(findings: Sequence[Finding]) -> Severity:
    """The gravest of them; ok where there are none.

    >>> worst([])
    <Severity.OK: 'ok'>
    """
    return max((f.severity for f in findings), key=_ORDER.index, default=Severity.OK)


def by_weight(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The gravest first, otherwise in their order."""
    return tuple(sorted(findings, key=lambda f: -_ORDER.index(f.severity)))


def verdict(findings: Sequence[Finding]) -> str:
    """One sentence: is harm being done, has something moved, or is all as usual?

    >>> verdict([Finding(Severity.DIGEST, "features", "age", "age drifts")])
    'No harm seen, and one thing to look at: age drifts.'
    """
    ordered = by_weight(findings)
    if not ordered:
        return "No harm seen: the data and the model are as they usually are."
    head, more = ordered[0], len(ordered) - 1
    also = f" ({plural(more, 'more finding')})" if more else ""
    if head.severity is Severity.PAGE:
        return f"Harm: {head.text}{also}."
    if head.severity is Severity.DIGEST:
        count = "one thing" if not more else plural(len(ordered), "thing")
        return f"No harm seen, and {count} to look at: {head.text}."
    return "No harm seen: the data and the model are as they usually are."
