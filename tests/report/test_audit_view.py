"""An audit as it is read: the verdict first, then what each detector did, then how to mend."""

from __future__ import annotations

from foretell.core.time import parse_instant
from foretell.evaluation.detectors import Detection, Outcome
from foretell.report.audit import Audit
from foretell.report.layout import to_text

PASSED = Detection("proof", Outcome.PASSED, "proved the plan")
SKIPPED = Detection("replay", Outcome.SKIPPED, "compared with an earlier time", "there is none")
FAILED = Detection(
    "single feature",
    Outcome.FAILED,
    "compared each of 9 features with the outcomes of 99 rows",
    "1 feature tells the outcome alone",
    ("'closed_at' alone separates the outcomes",),
    "say known_at in foretell.toml",
)


def audit(*detections: Detection) -> Audit:
    moments = (parse_instant("2024-03-01"), parse_instant("2024-04-01 10:20:30"))
    return Audit("For each customer: will they leave?", "the whole database (9 rows)", moments, detections)


def test_a_clean_audit_says_so_first() -> None:
    text = to_text(audit(PASSED, SKIPPED).view())
    assert text.startswith("No leak found: 1 detector passed, replay skipped.")
    assert "at 2024-03-01 and 2024-04-01 10:20." in text
    assert "there is none" in text


def test_a_leak_is_the_verdict_and_is_told_how_to_mend() -> None:
    found = audit(PASSED, FAILED, SKIPPED)
    text = to_text(found.view())
    assert text.startswith("Leak suspected by single feature: 1 feature tells the outcome alone.")
    assert "· 'closed_at' alone separates the outcomes" in text
    assert "To mend it:\n  say known_at in foretell.toml" in text
    assert not found.clean
    other = Detection("canary", Outcome.FAILED, "tossed", "the future reaches the model")
    assert audit(other, FAILED).verdict == (
        "Leak found by canary and single feature: the future reaches the model."
    )


def test_in_a_notebook_names_are_escaped() -> None:
    named = Detection("proof", Outcome.FAILED, "proved", "rows of <b> would be read")
    assert "&lt;b&gt;" in audit(named)._repr_html_()


def test_as_data() -> None:
    found = audit(FAILED).to_dict()
    assert found["detectors"][0]["examples"] == ["'closed_at' alone separates the outcomes"]
    assert found["cutoffs"][0] == "2024-03-01"
