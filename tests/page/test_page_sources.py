"""The page's own files: no way for markup from a database, nothing from elsewhere, nothing inline."""

from __future__ import annotations

import re
from importlib import resources

import pytest

PAGE = {
    f.name: f.read_text("utf-8")
    for f in (resources.files("foretell.server") / "page").iterdir()
    if f.is_file()
}
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\s*\(|new Function|DOMParser|srcdoc"
    r"|createContextualFragment"
)
ELSEWHERE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)
INLINE = re.compile(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)


def test_no_source_makes_markup_of_text() -> None:
    assert [n for n, text in PAGE.items() if n.endswith(".js") and MARKUP.search(text)] == []
    assert MARKUP.search("place.innerHTML = name") and MARKUP.search("eval (text)")


def test_nothing_comes_from_elsewhere() -> None:
    assert {n: ELSEWHERE.findall(text) for n, text in PAGE.items() if ELSEWHERE.search(text)} == {}
    assert ELSEWHERE.search('import "https://cdn.example.org/a.js"') and ELSEWHERE.search(
        "//cdn.example.org/x"
    )


def test_nothing_is_inline() -> None:
    assert [n for n, text in PAGE.items() if n.endswith((".html", ".svg")) and INLINE.search(text)] == []
    assert INLINE.search("<script>1</script>") and INLINE.search("<p style='x'>")


def test_every_module_that_is_named_is_there() -> None:
    named = {m for text in PAGE.values() for m in re.findall(r'from "\./([^"]+)"', text)}
    assert named and named <= set(PAGE)
    served = set(re.findall(r'(?:src|href)="/([^"]+)"', PAGE["index.html"]))
    assert served and served <= set(PAGE)


@pytest.mark.parametrize("name", sorted(n for n in PAGE if n.endswith(".js")))
def test_what_is_imported_is_exported_and_used(name: str) -> None:
    text = PAGE[name]
    for names, module in re.findall(r'import \{([^}]+)\} from "\./([^"]+)"', text):
        for given in names.split(","):
            there, _, here = given.strip().partition(" as ")
            if not there:
                continue
            assert re.search(
                rf"export (?:async )?(?:function|const|class|let) {re.escape(there)}\b", PAGE[module]
            ), given
            assert len(re.findall(rf"\b{re.escape(here or there)}\b", text)) > 1, (
                f"{given.strip()} is not used"
            )
