"""Small invented databases from text: each line says how a column is filled, and what is true about it.

    table orders 500
      order_id     serial            key
      customer_id  ref customers.id
      placed_at    stamp             time

`key` marks the primary key, `time` the row's time, `ref` a true link, `hidden` a reference that no link is
expected for. The truth is thus written beside the data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from foretell.core.random import generator

START = np.datetime64("2021-01-01T00:00:00", "us")
SYLLABLES = re.findall(r"\w+", "ka lo mi ren ta vu sel bor an di qui po ze har nim fo la gre tu wy")
FLAGS = ("key", "time", "hidden")


@dataclass
class Specimen:
    """Tables as Arrow, and what is true about them."""

    title: str
    tables: dict[str, pa.Table] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    times: dict[str, str | None] = field(default_factory=dict)
    links: set[tuple[str, str, str]] = field(default_factory=set)


def read_specimen(path: Path, seed: int = 0) -> Specimen:
    """Build the database that a file describes."""
    title, *lines = path.read_text(encoding="utf-8").splitlines()
    out = Specimen(title)
    values: dict[str, dict[str, list[Any]]] = {}
    plans: list[tuple[str, int, list[tuple[str, str, list[str], set[str]]]]] = []
    for line in lines:
        if not line.strip():
            continue
        if line.startswith("table "):
            name, _, rows = line.removeprefix("table ").rpartition(" ")
            plans.append((name, int(rows), []))
            continue
        name, _, rest = line.strip().partition("  ")
        words = rest.split()
        flags = {w for w in words if w in FLAGS}
        words = [w for w in words if w not in FLAGS]
        plans[-1][2].append((name.strip(), words[0], words[1:], flags))
    for table, rows, columns in plans:
        made: dict[str, list[Any]] = {}
        values[table] = made
        for name, kind, arguments, flags in columns:
            rng = generator(seed, title, table, name)
            made[name] = list(_fill(kind, arguments, rows, rng, values, made))
            if kind in ("ref", "same") and "hidden" not in flags:
                out.links.add((table, name, arguments[0]))
            if "time" in flags:
                out.times[table] = name
        out.times.setdefault(table, None)
        out.keys[table] = tuple(c[0] for c in columns if "key" in c[3])
        out.tables[table] = _unique_rows(pa.table(made), out.keys[table])
    return out


def _unique_rows(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """Drop rows that repeat a composite key."""
    if len(key) < 2:
        return table
    seen: set[tuple[Any, ...]] = set()
    keep = []
    for i, row in enumerate(zip(*(table.column(k).to_pylist() for k in key))):
        if row not in seen:
            seen.add(row)
            keep.append(i)
    return table.take(keep)


def _word(rng: np.random.Generator, size: int) -> str:
    return "".join(rng.choice(SYLLABLES) for _ in range(size)).capitalize()


def _fill(kind: str, arguments: list[str], rows: int, rng: np.random.Generator, values: Any, own: Any) -> Any:
    match kind:
        case "serial":
            start = int(arguments[0]) if arguments else 1
            return range(start, start + rows)
        case "sparse":
            return sorted(int(v) for v in rng.choice(rows * 40, rows, replace=False) + 1000)
        case "code":
            return [f"{arguments[0]}{i:05d}" for i in range(rows)]
        case "letters":
            picked: dict[str, None] = {}
            while len(picked) < rows:
                picked["".join(chr(65 + c) for c in rng.integers(0, 26, int(arguments[0])))] = None
            return list(picked)
        case "uuid":
            return [
                f"{rng.integers(2**32):08x}-{rng.integers(2**16):04x}-4000-8000-{i:012x}" for i in range(rows)
            ]
        case "ref":
            table, _, column = arguments[0].rpartition(".")
            nulls = float(arguments[1]) if len(arguments) > 1 else 0.0
            parents = (values | {"": own})[table][column] if table in values else own[column]
            parents = [p for p in parents if p is not None]
            return [
                None if rng.random() < nulls else parents[int(rng.integers(len(parents)))]
                for _ in range(rows)
            ]
        case "same":  # another table's column, row by row
            table, _, column = arguments[0].rpartition(".")
            return values[table][column][:rows]
        case "one_of":
            return [own[arguments[int(rng.integers(len(arguments)))]][i] for i in range(rows)]
        case "int":
            return [int(v) for v in rng.integers(int(arguments[0]), int(arguments[1]) + 1, rows)]
        case "float":
            return [round(float(v), 2) for v in rng.uniform(float(arguments[0]), float(arguments[1]), rows)]
        case "choice":
            return [arguments[int(v)] for v in rng.integers(0, len(arguments), rows)]
        case "word":
            return [_word(rng, 3) for _ in range(rows)]
        case "name":
            return [f"{_word(rng, 2)} {_word(rng, 3)} {i}" for i in range(rows)]
        case "prose":
            return [" ".join(_word(rng, 2).lower() for _ in range(15)) for _ in range(rows)]
        case "bool":
            return [bool(v) for v in rng.integers(0, 2, rows)]
        case "null":
            return [None] * rows
        case "birth":
            return list(
                np.datetime64("1950-01-01", "us") + rng.integers(0, 18_000, rows) * np.timedelta64(1, "D")
            )
        case "hour":
            return list(START + rng.integers(0, 300, rows) * np.timedelta64(1, "h"))
        case "stamp" | "date" | "iso" | "epoch_s" | "epoch_ms" | "after":
            return _times(kind, arguments, rows, rng, own)
    raise ValueError(kind)


def _times(kind: str, arguments: list[str], rows: int, rng: np.random.Generator, own: Any) -> list[Any]:
    nulls = 0.0
    if kind == "after":  # some hours later than another time column, sometimes not yet
        nulls = float(arguments[1]) if len(arguments) > 1 else 0.0
        base = np.array(own[arguments[0]], dtype="datetime64[us]")
        moments = base + rng.integers(3600, 2_000_000, rows) * np.timedelta64(1, "s")
    else:
        moments = START + np.sort(rng.integers(0, 60_000_000, rows)) * np.timedelta64(1, "s")
    if kind == "date":
        moments = moments.astype("datetime64[D]").astype("datetime64[us]")
    if kind == "iso":
        return [str(m)[:19].replace("T", " ") for m in moments]
    if kind.startswith("epoch"):
        micros = moments.astype("int64")
        return [int(v) // (1_000_000 if kind == "epoch_s" else 1_000) for v in micros]
    return [None if nulls and rng.random() < nulls else m for m in moments]
