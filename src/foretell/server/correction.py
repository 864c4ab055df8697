"""What a person corrects of the schema: merged into foretell.toml, held against the data, then kept."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from foretell.core.errors import ConfigError, ForetellError
from foretell.core.progress import Progress
from foretell.core.text import did_you_mean
from foretell.prediction.database import CONFIG_NAME, OpenDatabase
from foretell.prediction.settle import settled_schema
from foretell.schema.model import Schema
from foretell.schema.toml import read
from foretell.server.faults import ConflictError
from foretell.server.holding import Holding
from foretell.server.payloads import Correction, LinkCorrection

PATIENCE = 5.0  # seconds


def place_of(holding: Holding) -> Path | None:
    """The foretell.toml that is corrected; None where there is no place for one."""
    if holding.config is not None:
        return holding.config
    if holding.target is None or "://" in holding.target:
        return None
    place = Path(holding.target)
    return (place if place.is_dir() else place.parent) / CONFIG_NAME


def can_correct(holding: Holding) -> bool:
    """Whether a correction could be written."""
    place = place_of(holding)
    return place is not None and os.access(place if place.exists() else place.parent, os.W_OK)


def correct(holding: Holding, asked: Correction, progress: Progress) -> None:
    """Hold the schema as corrected, and write the correction down.

    What does not fit the data is an error, and neither the file nor the schema changes then.
    """
    place = place_of(holding)
    if place is None:
        raise ConfigError(
            "there is no foretell.toml to write to", mend="start the server with --config foretell.toml"
        )
    with holding.use(progress, patience=PATIENCE) as database:
        _names_known(database.opened.schema, asked)
        try:
            before = _read(place)
            with _draft(place, merged(before, asked)) as draft:
                settled = _settle(holding, database.opened, draft, progress)
                if _read(place) != before:
                    raise ConflictError(
                        "foretell.toml was changed meanwhile", mend="look at the schema again"
                    )
                draft.replace(place)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            raise ConfigError(
                f"foretell.toml cannot be used: {(why or 'it is not UTF-8 text').lower()}"
            ) from None
        holding.replace(settled)


def merged(text: str, asked: Correction) -> str:
    """A foretell.toml with the correction in it; what else it says, and its comments, stay.

    >>> from foretell.server.payloads import Correction
    >>> print(merged("# mine", Correction(tables={"orders": {"time": "placed"}})).strip())
    # mine
    [tables.orders]
    time = "placed"
    """
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError(f"foretell.toml is not valid TOML: {error}") from None
    if asked.tables:
        tables = _sub(document, "tables")
        for name, table in asked.tables.items():
            settings = _sub(tables, name)
            for key, value in table.model_dump(exclude_unset=True).items():
                if value is None:
                    settings.pop(key, None)
                else:
                    settings[key] = value
            if not settings:
                tables.remove(name)
    if asked.links:
        kept = [k for k in _links(document) if not any(_same(k, link) for link in asked.links)]
        entries = tomlkit.aot()
        for entry in kept:
            entries.append(entry)
        for link in asked.links:
            if not link.forget:
                entries.append(_entry(link))
        document.pop("links", None)
        if len(entries):
            document["links"] = entries
    return tomlkit.dumps(document)


def _names_known(schema: Schema, asked: Correction) -> None:
    names = [t.name for t in schema.tables]
    for name in asked.tables:
        if name not in names:
            raise ConfigError(f"no table {name!r}", mend=did_you_mean(name, names))


def _sub(container: Any, name: str) -> Any:
    found = container.get(name)
    if found is None:
        container[name] = found = tomlkit.table(is_super_table=name == "tables" or None)
    if not isinstance(found, Mapping):
        raise ConfigError(f"foretell.toml: {name!r} is no table of settings")
    return container[name]


def _links(document: Mapping[str, Any]) -> list[Any]:
    found = document.get("links", [])
    if not isinstance(found, list) or not all(isinstance(k, Mapping) for k in found):
        raise ConfigError("foretell.toml: links are no [[links]] entries")
    return list(found)


def _same(entry: Mapping[str, Any], link: LinkCorrection) -> bool:
    """Whether an entry is of the same child columns: a link is named by them."""
    child = entry.get("child")
    return ([child] if isinstance(child, str) else list(child or ())) == list(link.child)


def _entry(link: LinkCorrection) -> Any:
    entry = tomlkit.table()
    entry.add("child", _one_or_all(link.child))
    if link.ignore:
        entry.add("ignore", True)
    else:
        entry.add("parent", _one_or_all(link.parent))
    return entry


def _one_or_all(texts: Sequence[str]) -> Any:
    return texts[0] if len(texts) == 1 else list(texts)


def _settle(holding: Holding, opened: OpenDatabase, draft: Path, progress: Progress) -> OpenDatabase:
    """The database with its schema settled anew: over the same working copy where that is as it was read."""
    store = opened.store
    if store.recasts:
        return holding.opened_anew(progress, draft)
    config = read(draft.read_text(encoding="utf-8"))
    try:
        schema = settled_schema(store, None, config, holding.now, progress)
    except ForetellError:
        if store.recasts:  # columns were converted for a schema that does not hold
            holding.replace(holding.opened_anew(progress))
        raise
    return OpenDatabase(
        opened.name,
        store,
        schema,
        threads=opened.threads,
        now=opened.now,
        features=config.features,
        progress=progress,
    )


def _read(place: Path) -> str:
    return place.read_text(encoding="utf-8") if place.exists() else ""


@contextmanager
def _draft(place: Path, text: str) -> Iterator[Path]:
    """The text in a file beside its place, whole before it takes that; gone where it does not."""
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("x", encoding="utf-8", newline="") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        if place.exists():
            draft.chmod(place.stat().st_mode & 0o777)
        yield draft
    finally:
        draft.unlink(missing_ok=True)
