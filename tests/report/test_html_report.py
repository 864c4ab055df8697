"""The report of a model: whole for every kind of task, harmless whatever names it shows, readable by all."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import foretell
from foretell.cli.app import main
from foretell.core.errors import MissingExtraError
from foretell.core.lazy import installed
from foretell.core.time import DAY, format_instant, parse_instant, to_datetime
from foretell.lifecycle.batches import begin
from foretell.lifecycle.registry import Registry
from foretell.patterns.finding import Curve, Finding, Kind, Measured, Oddity, Patterns, Status
from foretell.prediction.database import open_database
from foretell.prediction.model import Model
from foretell.report.html import Extras, kept, model_report, scored
from foretell.report.schema_graph import schema_svg
from foretell.schema.model import Column, DType, Link, Schema, Semantic, Table

EVIL = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>'
START = parse_instant("2024-01-01")
CHROMIUM = Path("/usr/bin/chromium")
QUERIES = {
    "binary": "PREDICT COUNT(orders.*, 0, 20, days) > 0 FOR EACH customers.id",
    "regression": "PREDICT SUM(orders.amount, 0, 20, days) FOR EACH customers.id",
    "multiclass": "PREDICT MODE(orders.kind, 0, 40, days) FOR EACH customers.id",
}


def tables() -> dict[str, pa.Table]:
    """Customers and orders, a column and values of whose bear hostile names."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.6, 0.06, 120)
    who, when = [], []
    for day in range(300):
        count = rng.poisson(rates)
        who.append(np.repeat(np.arange(1, 121), count))
        when.append(START + day * DAY + rng.integers(0, DAY, count.sum()))
    order = np.argsort(np.concatenate(when), kind="stable")
    buyers = np.concatenate(who)[order]
    # Each customer mostly orders one kind.
    taken = np.where(rng.random(len(buyers)) < 0.7, buyers % 3, rng.integers(0, 3, len(buyers)))
    return {
        "customers": pa.table({
            "id": np.arange(1, 121),
            "joined_at": np.full(120, np.datetime64(to_datetime(START - 30 * DAY), "us")),
            EVIL: rng.choice(["a", EVIL], 120),
        }),
        "orders": pa.table({
            "id": np.arange(1, len(buyers) + 1),
            "customer_id": buyers,
            "at": np.concatenate(when)[order].astype("datetime64[us]"),
            "amount": rng.gamma(2.0, 20.0, len(buyers)).round(2),
            "kind": np.array(["tea", "coffee", EVIL])[taken],
        }),
    }  # fmt: skip


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    with foretell.connect(tables(), threads=1) as database:
        asked = {kind: database.query(query) for kind, query in QUERIES.items()}
        return {k: replace(q.fit(time_limit=1, model="trees"), home=None) for k, q in asked.items()}


@pytest.fixture(scope="module")
def pages(models: dict[str, Model]) -> dict[str, str]:
    with open_database(tables(), schema=models["binary"].task.schema, threads=1) as opened:
        extras = {k: scored(Extras(audit=audit(k)), m, opened, top=4) for k, m in models.items()}
    extras["binary"] = replace(extras["binary"], patterns=patterns(), warnings=(EVIL,))
    return {kind: model_report(model, extras[kind]) for kind, model in models.items()}


def audit(kind: str) -> dict[str, Any]:
    failed = {"name": EVIL, "outcome": "failed", "did": EVIL, "found": EVIL, "examples": [], "mend": EVIL}
    passed = {"name": "proof", "outcome": "passed", "did": "looked", "found": "", "examples": [], "mend": ""}
    leaks = kind == "regression"
    return {"clean": not leaks, "verdict": f"Leaks: {EVIL}." if leaks else "No leak found.",
            "detectors": [passed, *([failed] if leaks else [])]}  # fmt: skip


def patterns() -> Patterns:
    measured = Measured(0.3, 0.2, 0.4, 0.001, 50, 500, 40, 0.31, null=0.1)
    series = tuple((START + i * 30 * DAY, 0.3 + i / 100) for i in range(8))
    sql = f"SELECT '{EVIL}'"
    found = [
        Finding(Kind.SUBGROUP, s, f"k{s}", "s", f"{EVIL} {s}", measured, series, sql, (EVIL,)) for s in Status
    ]
    curve = Curve("s", EVIL, (0.0, 10.0), {EVIL: (0.0, 0.2), "b": (0.0, 0.1)}, {EVIL: 9})
    odd = Oddity("s", EVIL, 3.0, START, "SELECT 1")
    return Patterns("p", tuple(found), (odd,), (curve,), 500, 20, {EVIL: "early and late"}, (EVIL,))


class Reader(HTMLParser):
    """What a browser and a screen reader would meet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of(self, *tags: str) -> Iterator[dict[str, str]]:
        return (attributes for tag, attributes in self.tags if tag in tags)


def faults(page: str) -> list[str]:
    """What a page must not hold: what runs, loads, or cannot be read."""
    read = Reader(page)
    found = [t for t, _ in read.tags if t in ("script", "img", "link", "iframe", "object", "form", "base")]
    for tag, attributes in read.tags:
        for key, value in attributes.items():
            if key.startswith("on") or (key in ("src", "href", "xlink:href") and not value.startswith("#")):
                found.append(f"{tag} {key}")
    found += [f"css {w}" for w in ("url(http", "@import") if w in page]
    levels = [int(t[1]) for t, _ in read.tags if re.fullmatch("h[1-6]", t)]
    found += [f"h{a} before h{b}" for a, b in pairwise(levels) if b > a + 1]
    found += ["not one h1"] if levels.count(1) != 1 else []
    ids = [a["id"] for _, a in read.tags if "id" in a and a["id"] != "to-parent"]
    found += ["an id twice"] if len(ids) != len(set(ids)) else []
    found += [
        "an svg without words" for a in read.of("svg") if a.get("role") != "img" or not a.get("aria-label")
    ]
    found += ["a header without scope" for a in read.of("th") if "scope" not in a]
    found += [f"no {mark}" for mark in ("main", "header", "nav", "title") if not list(read.of(mark))]
    return found


@pytest.mark.parametrize("kind", QUERIES)
def test_the_report_of_every_kind_is_whole_and_harmless(pages: dict[str, str], kind: str) -> None:
    assert faults(pages[kind]) == []
    text = " ".join(Reader(pages[kind]).words)
    assert "default-src 'none'" in pages[kind] and 'lang="en"' in pages[kind]
    for said in (
        "Backtest",
        "What it rests on",
        "Leak audit",
        "Model card",
        "Labels over time",
        "Tables and links",
    ):
        assert said in text, said
    assert QUERIES[kind].split(" FOR")[0] in text, "the query in canonical form"
    assert "<script>" in text, "hostile names are shown as text"
    assert "highest predictions" in text and "because" in text


def test_the_control_sees_what_it_looks_for() -> None:
    planted = (
        '<h1 onclick="x">a</h1><h3 id="b"></h3><h3 id="b"></h3><script src="http://evil.example"></script>'
        "<svg></svg><th></th><style>@import 'x'</style>"
    )
    assert set(faults(planted)) >= {
        "script", "script src", "h1 onclick", "h1 before h3", "an id twice", "an svg without words",
        "a header without scope", "css @import", "no main",
    }  # fmt: skip


def test_the_verdict_is_first_and_a_leak_before_it(pages: dict[str, str], models: dict[str, Model]) -> None:
    for kind, model in models.items():
        assert model.backtest is not None
        banner = re.search(r'<p class="banner (\w+)">(.*?)</p>', pages[kind], re.DOTALL)
        assert banner is not None
        good = "ok" if model.backtest["beats_baseline"] else "look"
        assert banner[1] == ("bad" if kind == "regression" else good)
        assert pages[kind].index('class="banner') < pages[kind].index("<main")
    assert "Leaks: " in pages["regression"].partition("<main")[0]


def test_patterns_are_told_by_their_status(pages: dict[str, str]) -> None:
    text = " ".join(Reader(pages["binary"]).words)
    for said in (
        "1 headline",
        "surely not so any more",
        "Not confirmed",
        "The SQL that gives the figure again",
    ):
        assert said in text


def test_what_an_older_file_lacks_is_said(models: dict[str, Model]) -> None:
    model = models["binary"]
    assert model.backtest is not None
    facts = {k: v for k, v in model.facts.items() if k not in ("health", "recipe")}
    backtest = {k: v for k, v in model.backtest.items() if k != "curves"}
    old = replace(model, facts=facts, backtest=backtest, explanation=None)
    page = model_report(old)
    assert faults(page) == []
    assert page.count("by an earlier release") == 3 and "No audit is kept" in page
    assert "by an earlier release" not in model_report(model), "the control: a new file lacks nothing"
    none = model_report(replace(old, backtest=None))
    assert "No backtest could be made" in none and faults(none) == []


def test_curves_and_health_last_as_long_as_the_file(models: dict[str, Model], tmp_path: Path) -> None:
    model = models["multiclass"]
    again = foretell.load(model.save(tmp_path / "m.foretell"))
    assert again.backtest == model.backtest and again.facts["health"] == model.facts["health"]
    assert model.backtest is not None and set(model.backtest["curves"]) == {"confusion", "calibration"}
    assert faults(model_report(again)) == []
    assert model.facts["health"]["tables"]["customers"] == 120


def test_a_registry_adds_its_audit_history_and_last_batch(models: dict[str, Model], tmp_path: Path) -> None:
    held = Registry(tmp_path / "models", clock=lambda: START + 400 * DAY)
    version = held.add("buys", models["binary"], audit=audit("binary"))
    said = pa.table({"id": [7, 8], "probability": [0.9, 0.8], "reasons": [["no order for 61 days"], []]})
    begin(held, version, "run", START + 300 * DAY, "snapshot", said, "the warehouse", {})
    page = model_report(models["binary"], kept(held, "buys"))
    for told in ("buys@1", "no order for 61 days", "the warehouse", "No leak found", "added as champion"):
        assert told in page, told
    assert format_instant(START + 300 * DAY)[:10] in page


def test_the_command(models: dict[str, Model], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Registry(tmp_path / "models").add("buys", models["binary"])
    place, folder = tmp_path / "buys.html", str(tmp_path / "models")
    assert left("report", "buys", "--models", folder, "-o", str(place), "-q") == 0
    assert faults(place.read_text()) == []
    path = models["binary"].save(tmp_path / "one.foretell")
    assert left("report", str(path), "-o", str(tmp_path / "one.html"), "-q") == 0
    capsys.readouterr()
    assert left("report", "buys", "--models", folder, "--patterns") == 2
    assert "needs a database" in capsys.readouterr().err
    assert left("report", "buys", "--models", folder, "-o", "x.pdf") == 2
    assert ".html" in capsys.readouterr().err


def left(*arguments: str) -> int:
    with pytest.raises(SystemExit) as code:
        main(list(arguments))
    return int(str(code.value.code))


@pytest.mark.parametrize("package", ["vl_convert", "jinja2"])
def test_without_its_packages_the_extra_is_named(
    models: dict[str, Model], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    from foretell.report import page

    page._templates.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"foretell\[report\]"):
        model_report(models["binary"])


@pytest.mark.parametrize("size", [1, 3, 24])
def test_a_schema_is_drawn_with_every_table_and_link(size: int) -> None:
    rng = np.random.default_rng(size)
    columns = tuple(Column(n, DType.FLOAT, Semantic.IDENTIFIER) for n in ("id", "up"))
    made = tuple(Table(f"table {i}", columns, ("id",), rows=i) for i in range(size))
    links = tuple(Link(f"table {i}", ("up",), f"table {rng.integers(0, i)}", ("id",)) for i in range(1, size))
    if size > 2:  # and a cycle
        links = (*links, Link("table 0", ("up",), f"table {size - 1}", ("id",)))
    drawn = schema_svg(Schema(made, links), "table 0")
    assert drawn.count("<rect") == size and drawn.count("marker-end") == len(links)
    corners = set(re.findall(r'<rect x="(\d+)" y="(\d+)"', drawn))
    assert len(corners) == size, "no two tables lie over one another"
    assert all(f"table {i}" in drawn for i in range(size))


@pytest.mark.skipif(
    not (CHROMIUM.exists() and installed("playwright")), reason="needs Chromium and playwright"
)
def test_a_browser_loads_nothing_else_and_finds_it_readable(pages: dict[str, str], tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    place = tmp_path / "report.html"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            for scheme in ("light", "dark"):
                view = browser.new_page(viewport={"width": 360, "height": 800}, color_scheme=scheme)
                asked: list[str] = []
                said: list[str] = []
                view.on("request", lambda r, asked=asked: asked.append(r.url))
                view.on("console", lambda m, said=said: said.append(m.text))
                place.write_text(pages["binary"])
                view.goto(place.as_uri())
                assert asked == [place.as_uri()] and said == []
                assert view.evaluate("document.documentElement.scrollWidth") <= 360
                view.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
                found = Axe().run(view).response["violations"]
                assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
                # The control: without the policy and with an image, something is asked for.
                open_page = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", pages["binary"])
                planted = (
                    '<img src="http://127.0.0.1:9/x"><p style="color:#ddd;background:#fff">pale</p></main>'
                )
                place.write_text(open_page.replace("</main>", planted))
                view.goto(place.as_uri())
                assert "http://127.0.0.1:9/x" in asked
                found = Axe().run(view).response["violations"]
                assert {"color-contrast", "image-alt"} <= {v["id"] for v in found}
                view.close()
        finally:
            browser.close()
