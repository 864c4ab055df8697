"""What goes wrong, said on stderr in words or as JSON, with the exit code that belongs to it."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.text import Text

from foretell.core.errors import ForetellError, QueryError, UsageError
from foretell.core.text import caret

INTERRUPTED = 130
ISSUE = "this is a fault in foretell itself: run it again with --debug and report what it shows"


def report(error: BaseException, console: Console, *, as_json: bool) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, KeyboardInterrupt):
        error = ForetellError("stopped")
        code = INTERRUPTED
    else:
        error = known(error)
        code = error.exit_code
    if as_json:
        print(json.dumps({**error.to_dict(), "exit_code": code}, ensure_ascii=False), file=console.file)
    else:
        for line in lines(error, width=min(100, console.width - 2)):
            # never wrapped by us: a caret has to stay under its word
            console.print(line, soft_wrap=True, highlight=False)
    return code


def known(error: BaseException) -> ForetellError:
    """The error as one of ours: a slip in the options is a UsageError, what nobody foresaw our own fault."""
    if isinstance(error, ForetellError):
        return error
    said: Any = getattr(error, "format_message", None)
    if said is not None and hasattr(error, "exit_code"):
        return UsageError(str(said()).rstrip("."), mend=_help(error))
    if isinstance(error, OSError) and error.filename is not None:
        return ForetellError(f"{error.filename}: {(error.strerror or 'cannot be used').lower()}")
    return ForetellError(f"{type(error).__name__}: {error}", mend=ISSUE)


def lines(error: ForetellError, *, width: int = 100) -> list[Text]:
    """The message, for a query the place it points at, examples, and how to mend it."""
    first = Text("error: ", style="bold red").append(error.message, style="not bold default")
    parts = [first]
    if isinstance(error, QueryError) and error.text:
        shown, mark = caret(error.text, error.start, error.end, width=max(20, width - 2))
        parts += [Text(shown), Text(mark, style="red")]
    if error.examples:
        parts.append(Text("for example: " + ", ".join(repr(e) for e in error.examples)))
    if error.mend:
        parts += [Text(line) for line in error.mend.split("\n")]
    return parts


def _help(error: BaseException) -> str | None:
    """Where to read how the command is called."""
    context = getattr(error, "ctx", None)
    return f"see '{context.command_path} --help'" if context is not None else "see 'foretell --help'"
