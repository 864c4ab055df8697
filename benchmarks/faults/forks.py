"""Children that do one thing, are heard line by line, and can be killed at any moment."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

Say = Callable[[str], None]


@dataclass(frozen=True)
class Heard:
    """What a child said, line by line, and whether it was killed before it came to its end."""

    lines: tuple[str, ...]
    killed: bool


def child(work: Callable[[Say], object], kill_after: float | None = None) -> Heard:
    """Run `work` in a fork of this process; kill -9 it so many seconds after its first line.

    What the child says counts once the whole line is in the pipe. A child that fails says so in a line that
    begins with "! ".
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _work(work, write)
    os.close(write)
    said = b""
    if kill_after is not None:
        said = os.read(read, 1)  # the child is about to begin
        time.sleep(kill_after)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with os.fdopen(read, "rb") as pipe:
        said += pipe.read()
    _, status = os.waitpid(pid, 0)
    whole = said.decode().split("\n")[:-1]
    return Heard(tuple(whole), os.WIFSIGNALED(status))


def _work(work: Callable[[Say], object], write: int) -> None:
    def say(line: str) -> None:
        os.write(write, f"{line}\n".encode())

    try:
        work(say)
    except BaseException:
        say("! " + traceback.format_exc().replace("\n", " | "))
    finally:
        os._exit(0)


@dataclass
class Worker:
    """A child that answers each line it is sent with a line of its own."""

    pid: int
    asked: int
    answered: int

    @classmethod
    def start(cls, answer: Callable[[str], str]) -> Worker:
        down, up = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(down[1]), os.close(up[0])
            try:
                for line in iter(_lines(down[0]).__next__, ""):
                    os.write(up[1], f"{answer(line)}\n".encode())
            except BaseException:
                os.write(up[1], ("! " + traceback.format_exc().replace("\n", " | ") + "\n").encode())
            finally:
                os._exit(0)
        os.close(down[0]), os.close(up[1])
        return cls(pid, down[1], up[0])

    def ask(self, line: str) -> None:
        os.write(self.asked, f"{line}\n".encode())

    def hear(self) -> str:
        return next(_lines(self.answered))

    def stop(self) -> None:
        self.ask("")
        os.close(self.asked), os.close(self.answered)
        os.waitpid(self.pid, 0)


def _lines(handle: int) -> Iterator[str]:
    """Lines of a pipe in which one line at most is under way."""
    held = b""
    while part := os.read(handle, 65536):
        held += part
        *whole, held = held.split(b"\n")
        yield from (line.decode() for line in whole)
