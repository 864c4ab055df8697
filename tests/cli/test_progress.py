"""Progress goes to stderr: plain lines in a pipe, a bar in a terminal, nothing with -q."""

from __future__ import annotations

import io

from rich.console import Console

from foretell.cli.progress import Bar, Lines, Silent, progress


def run(*, terminal: bool = False, quiet: bool = False, verbose: bool = False) -> tuple[type[Lines], str]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with progress(console, quiet=quiet, verbose=verbose) as shown:
        shown.stage("reading [tables]", 2)
        shown.advance()
        shown.note("orders has no key")
        shown.stage("training")
        shown.close()
        shown.close()
    assert isinstance(console.file, io.StringIO)
    return type(shown), console.file.getvalue()


def test_a_pipe_gets_a_plain_line_for_each_stage() -> None:
    kind, text = run()
    assert kind is Lines
    assert [line.split(" s  ")[1] for line in text.strip().split("\n")] == [
        "reading [tables]", "orders has no key", "training",
    ]  # fmt: skip
    assert "\x1b" not in text


def test_verbose_says_how_long_each_stage_took() -> None:
    lines = run(verbose=True)[1].strip().split("\n")
    assert lines[1].endswith(" s)") and "reading [tables] (" in lines[1]


def test_a_log_hears_how_long_a_stage_will_take() -> None:
    """Every third second an epoch of twenty; a stage of unknown length is quiet."""
    now = [0.0]
    console = Console(file=io.StringIO(), width=80)
    with Lines(console, clock=lambda: now[0]) as shown:
        shown.stage("reading")
        now[0] = 20.0
        shown.advance()
        shown.stage("training the net", 20)
        for _ in range(10):
            now[0] += 3.0
            shown.advance()
    assert isinstance(console.file, io.StringIO)
    assert [line.split(" s  ")[1] for line in console.file.getvalue().strip().split("\n")] == [
        "reading",
        "training the net",
        "training the net: 20%, about 48 s left",
        "training the net: 40%, about 36 s left",
    ]


def test_quiet_says_nothing() -> None:
    assert run(quiet=True) == (Silent, "")
    assert run(quiet=True, verbose=True, terminal=True) == (Silent, "")


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    kind, text = run(terminal=True)
    assert kind is Bar
    assert "reading" in text
    assert text.endswith(("\x1b[2K", "\x1b[?25h")) or "\x1b[1A\x1b[2K" in text
