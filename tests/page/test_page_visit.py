"""A visit to the page in a real browser: what a person does, by keyboard where it counts.

FORETELL_PAGE_SHOTS names a folder for pictures of every view: light, dark and as wide as a phone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import page_world as world
import pytest

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python")
pytestmark = pytest.mark.skipif(world.chromium() is None, reason="no Chromium here")

SHOTS = os.environ.get("FORETELL_PAGE_SHOTS")
LOOKS = {"light": (1280, 860), "dark": (1280, 860), "phone": (360, 780)}
WAIT = 40_000  # milliseconds, for machines that are busy


class Visit:
    """One page in one browser, and what was met."""

    def __init__(self, browser: Any, base: str) -> None:
        self.base = base
        self.page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
        self.page.set_default_timeout(WAIT)
        self.witness = world.Witness(base)
        self.witness.watch(self.page)
        self.seen: dict[str, list[str]] = {}

    def go(self, route: str) -> None:
        self.page.goto(f"{self.base}/#{route}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, wanted: str, most: int = 60) -> None:
        """Go on by the Tab key until what is wanted has the focus."""
        for _ in range(most):
            if self.page.evaluate("s => document.activeElement?.matches(s)", wanted):
                return
            self.press("Tab")
        raise AssertionError(f"{wanted} is not reached by keyboard")

    def look(self, name: str) -> None:
        """Hold the view against axe in both themes and at a phone's width; keep pictures where asked for."""
        for look, (wide, tall) in LOOKS.items():
            self.page.emulate_media(color_scheme="dark" if look == "dark" else "light")
            self.page.set_viewport_size({"width": wide, "height": tall})
            self.page.wait_for_timeout(150)
            if look != "phone":
                rules = ("color-contrast",) if look == "dark" else ()
                self.seen[f"{name} {look}"] = world.grave(self.page, *rules)
            else:
                spilt = self.page.evaluate("document.documentElement.scrollWidth")
                assert spilt <= wide, f"{name} is {spilt} wide on a phone"
            if SHOTS:
                self.page.wait_for_timeout(400)
                Path(SHOTS).mkdir(parents=True, exist_ok=True)
                self.page.screenshot(path=Path(SHOTS) / f"{name}-{look}.png", full_page=True)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": 1280, "height": 860})


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    folder = tmp_path_factory.mktemp("page")
    with world.served(folder) as base, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=world.chromium(), args=["--no-sandbox"])
        found = Visit(browser, base)
        found.folder = folder  # type: ignore[attr-defined]
        found.page.goto(f"{base}/?token={world.SECRET}")
        found.page.wait_for_selector("textarea")
        yield found
        browser.close()


def test_a_link_is_corrected(visit: Visit) -> None:
    page = visit.page
    assert "token" not in page.url
    visit.go("/schema")
    page.get_by_role("region", name="Drawing of the schema").wait_for()
    assert page.locator(".graph .edge.guess").count() == 1
    visit.look("schema")
    visit.go("/schema/orders")
    page.get_by_role("button", name="Take away the link orders.customer_id").click()
    page.get_by_text("1 correction not saved yet").wait_for()
    visit.look("schema-corrected")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".toast", has_text="Saved").wait_for()
    toml = visit.folder / "foretell.toml"  # type: ignore[attr-defined]
    assert "ignore = true" in toml.read_text()
    assert page.locator(".graph .edge").count() == 0
    page.get_by_text("Add a link").click()
    page.get_by_label("Column of orders").select_option("customer_id")
    page.get_by_label("points at the key").select_option("customers")
    page.get_by_role("button", name="Add the link").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".graph .edge:not(.new)").wait_for(state="attached")
    assert 'parent = "customers.customer_id"' in toml.read_text()


def test_a_query_is_mended_asked_and_read_by_keyboard(visit: Visit) -> None:
    page = visit.page
    visit.go("/ask")
    page.wait_for_selector("textarea")
    page.locator("body").press("Home")
    visit.tab_to("textarea")
    page.keyboard.type("PREDICT COUNT(ordrs.*, 0, 20, days) = 0 FOR EACH customers.customer_id", delay=1)
    visit.press("Escape")
    page.locator(".judged .said").wait_for()
    assert "ordrs" in page.locator(".judged .said").inner_text()
    line, carets = page.locator(".judged .marker").inner_text().split("\n")
    assert line[carets.index("^") : carets.rindex("^") + 1] == "ordrs"
    assert page.locator(".editor .fault").all_inner_texts() == ["ordrs"]
    assert page.locator("button.primary").is_disabled()
    visit.look("ask-fault")
    page.evaluate("() => document.querySelector('textarea').setSelectionRange(19, 19)")
    visit.press("Backspace", "Backspace")
    page.get_by_role("option", name="orders").wait_for()
    visit.look("ask-completing")
    page.locator("textarea").focus()
    visit.press("Control+Space")
    page.get_by_role("option", name="orders").wait_for()
    visit.press("Enter")
    assert page.locator("textarea").input_value().startswith("PREDICT COUNT(orders.*, 0, 20, days) = 0")
    page.get_by_text("will they have no orders in the 20 days after the cutoff").wait_for()
    page.get_by_role("img", name="Share of yes at").wait_for()
    visit.look("ask")
    visit.tab_to("#limit")
    page.keyboard.type("10")
    visit.tab_to("#model")
    page.keyboard.type("trees")
    visit.tab_to("button.primary")
    visit.press("Enter")
    bar = page.get_by_role("progressbar")
    bar.wait_for()
    visit.look("progress")
    page.locator(".verdict .lead").wait_for()
    assert "baseline" in page.locator(".verdict .lead").inner_text()
    plot = page.get_by_role("region", name="Plots", exact=True).locator("img").first
    plot.wait_for(state="attached")
    plot.scroll_into_view_if_needed()
    for _ in range(100):
        if page.evaluate("[...document.images].some(i => i.naturalWidth > 100)"):
            break
        page.wait_for_timeout(100)
    else:
        raise AssertionError("no plot was drawn")
    visit.look("answer")
    visit.tab_to("tbody a[href*='#/ask/']")
    visit.press("Enter")
    page.locator("dialog .reasons li").first.wait_for()
    assert re.search(r"Without (this row|these \d+ rows) it would be", page.locator("dialog").inner_text())
    visit.look("reasons")
    visit.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.matches('tbody a')")


def test_an_answer_is_kept_and_a_version_promoted(visit: Visit) -> None:
    page = visit.page
    for version in (1, 2):
        page.get_by_role("button", name="Keep it as a model").click()
        page.get_by_label("Name").fill("churn")
        visit.press("Enter")
        page.get_by_role("link", name=f"churn@{version}").wait_for()
        visit.go("/jobs")
        page.get_by_role("link", name="Ask", exact=True).last.wait_for()
        if version == 1:
            visit.look("jobs")
            page.locator("tbody a").first.click()
            page.locator(".verdict").wait_for()
    visit.go("/models")
    page.get_by_role("link", name="churn", exact=True).wait_for()
    visit.look("models")
    page.get_by_role("link", name="churn", exact=True).click()
    page.get_by_role("button", name="Promote churn@2").click()
    page.get_by_role("button", name="Promote it").click()
    page.locator(".toast", has_text="churn@2 answers now").wait_for()
    page.locator("tr.best", has_text="churn@2").first.wait_for()
    visit.look("model")
    for part in ("explanation", "grades", "monitoring", "predictions", "history"):
        visit.go(f"/models/churn/{part}")
        page.locator(f".tabs a[aria-current][href$='{part}']").wait_for()
        page.locator(".loading").first.wait_for(state="detached")
        visit.look(f"model-{part}")
    visit.go("/models/churn/score/7")
    page.locator("#scored .big").wait_for()
    visit.look("model-score")
    page.go_back()
    page.locator(".history").wait_for()


def test_patterns_are_looked_for(visit: Visit) -> None:
    page = visit.page
    visit.go("/patterns")
    page.get_by_role("button", name="Look for patterns").wait_for()
    visit.look("patterns")
    page.get_by_label("Look at").select_option("table orders")
    page.get_by_label("Time to look").select_option("20")
    page.get_by_role("button", name="Look for patterns").click()
    page.locator(".lede").wait_for()
    assert "statements were looked at" in page.locator(".lede").inner_text()
    visit.look("patterns-found")


def test_names_are_text_and_no_view_is_at_fault(visit: Visit) -> None:
    """After all that was seen. The controls show that each of these would have been noticed."""
    page = visit.page
    visit.go("/schema")
    page.locator("tbody").get_by_text(world.HOSTILE).first.wait_for()
    assert page.locator("img[src=x]").count() == 0
    assert visit.witness.errors == []
    assert visit.witness.strangers == []
    assert visit.witness.alarms == []
    assert {name: told for name, told in visit.seen.items() if told} == {}
    page.evaluate("name => { document.querySelector('h1').innerHTML = name; }", world.HOSTILE)
    page.wait_for_timeout(300)
    assert page.locator("img[src=x]").count() == 1
    assert visit.witness.alarms != [] and visit.witness.errors != []
    page.evaluate("() => { document.querySelector('.legend').style.color = '#ccc'; }")
    assert any("contrast" in told for told in world.grave(page))
    visit.witness.asked("http://example.org/font.woff2")
    assert visit.witness.strangers == ["http://example.org/font.woff2"]


def test_without_its_cookie_the_page_says_so(visit: Visit) -> None:
    page = visit.page
    visit.go("/models")
    page.get_by_role("link", name="churn", exact=True).wait_for()
    page.context.clear_cookies()
    visit.go("/jobs")
    page.get_by_text("The page needs its token again").first.wait_for()
    page.get_by_label("Token").fill(world.SECRET)
    visit.press("Enter")
    page.locator("#database .dot.ready").wait_for()
