"""Run a command and tell how long it took, its CPU seconds and its peak memory, descendants included."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_EVERY = 0.02  # seconds between two looks at memory


@dataclass(frozen=True)
class Measured:
    """`ended`: "ok", "failed", "timeout" or "memory" (it was stopped for using more than allowed).

    `peak_mb` is the largest sum of the resident memory of the process and its descendants, and no less than
    what the kernel says was the largest of the process itself.
    """

    ended: str
    seconds: float
    cpu: float
    peak_mb: float
    said: str


def measure(
    command: Sequence[str | Path], *, log: Path, timeout: float, most_mb: float, environment: dict[str, str]
) -> Measured:
    """Run the command in a session of its own, so that a stop ends all of it; its output goes to `log`."""
    began, ended, peak = time.perf_counter(), "ok", 0.0
    with log.open("w") as out:
        child = subprocess.Popen(
            [str(c) for c in command],
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, _resident(child.pid))
            if time.perf_counter() - began > timeout:
                ended = "timeout"
            elif peak > most_mb:
                ended = "memory"
            if ended != "ok":
                os.killpg(child.pid, signal.SIGKILL)
                _, status, usage = os.wait4(child.pid, 0)
                break
            time.sleep(_EVERY)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if ended == "ok" and child.returncode:
        ended = "failed"
    said = log.read_text(errors="replace").strip().splitlines()
    return Measured(
        ended,
        seconds,
        usage.ru_utime + usage.ru_stime,
        max(peak, usage.ru_maxrss / 1024),
        said[-1][:300] if said else f"exit status {child.returncode}",
    )


def _resident(root: int) -> float:
    """Megabytes of resident memory of a process and its descendants."""
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, IndexError):
            continue
    return total * _PAGE / 1e6
