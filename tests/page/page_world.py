"""A small shop with hostile names, its server as a process of its own, and what a browser meets there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

SECRET = "p" * 43
HOSTILE = "<img src=x onerror=alert(1)>"
DAY = np.timedelta64(1, "D")


def chromium() -> str | None:
    """Where the browser is: FORETELL_CHROMIUM, or on the path."""
    found = (
        os.environ.get("FORETELL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    return found if found and Path(found).exists() else None


def make_shop(path: Path, *, customers: int = 150, days: int = 240) -> Path:
    """Customers who buy at rates of their own until some stop; names and values that are markup."""
    rng = np.random.default_rng(3)
    start = np.datetime64("2024-01-01T00:00:00", "us")
    rates = rng.gamma(1.2, 0.05, customers)
    stops = np.where(rng.random(customers) < 0.4, rng.integers(30, days, customers), days)
    bought = [
        (c, d) for d in range(days) for c in np.flatnonzero((rng.random(customers) < rates) & (d < stops))
    ]
    who, when = (np.array(side) for side in zip(*bought))
    orders = pa.table(
        {
            "order_id": np.arange(len(who)) + 1,
            "customer_id": who + 1,
            "ordered_at": start
            + when * DAY
            + rng.integers(0, 86_400_000_000, len(who)).astype("timedelta64[us]"),
            "amount": rng.gamma(2.0, 20.0, len(who)).round(2),
            "channel": rng.choice(["web", "shop", HOSTILE], len(who)),
        }
    )
    known = pa.table(
        {
            "customer_id": np.arange(1, customers + 1),
            "signed_up_at": np.full(customers, start - 30 * DAY),
            "country": rng.choice(["NO", "DE", HOSTILE], customers),
        }
    )
    with duckdb.connect(str(path)) as connection:
        connection.register("o", orders)
        connection.register("c", known)
        connection.execute("CREATE TABLE customers AS SELECT * FROM c")
        connection.execute("CREATE TABLE orders AS SELECT * FROM o")
        connection.execute("ALTER TABLE customers ADD PRIMARY KEY (customer_id)")
        connection.execute("ALTER TABLE orders ADD PRIMARY KEY (order_id)")
        connection.execute(
            f'CREATE TABLE "{HOSTILE}" AS SELECT range AS id, range % 7 AS "{HOSTILE}" FROM range(40)'
        )
    return path


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server over a shop in the folder; it ends with the block."""
    make_shop(folder / "shop.duckdb")
    command = [
        sys.executable,
        "-c",
        "from foretell.cli.app import main; main()",
        "serve",
        "shop.duckdb",
        "--port",
        "0",
    ]
    settings = {**os.environ, "FORETELL_TOKEN": SECRET, "OMP_NUM_THREADS": "1", "FORETELL_CACHE": "off"}
    said = folder / "said.txt"
    with said.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=settings, stdout=out, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            found = [w for w in said.read_text().split() if w.startswith("http://")]
            if found:
                break
            if process.poll() is not None:
                raise AssertionError(f"the server stopped: {said.read_text()}")
            time.sleep(0.1)
        yield found[0].split("?")[0].rstrip("/")
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class Witness:
    """What a page did: what its console said, what it asked for, whether it ran a hostile name."""

    base: str
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    def watch(self, page: Any) -> None:
        """Listen to a page from now on."""
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.errors.append(str(e)))
        page.on("request", lambda r: self.asked(r.url))
        page.on("dialog", lambda d: (self.alarms.append(d.message), d.dismiss()))

    def asked(self, url: str) -> None:
        if not url.startswith((f"{self.base}/", "data:", "blob:")):
            self.strangers.append(url)
        elif url.removeprefix(self.base) == "/x":
            self.alarms.append(url)


def grave(page: Any, *rules: str) -> list[str]:
    """What axe finds of serious or critical faults; by these rules alone where some are named."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else None
    told = Axe().run(page, options=options).response["violations"]
    return [
        f"{v['id']}: {v['help']}: {[n['target'] for n in v['nodes']][:3]}"
        for v in told
        if v["impact"] in ("serious", "critical")
    ]
