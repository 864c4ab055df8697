"""Names: quoted for SQL, unique across schemas, and with passwords masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from urllib.parse import unquote, urlsplit

from foretell.core.errors import SourceError


def quote(name: str, mark: str = '"') -> str:
    """A name as an SQL identifier, whatever it contains.

    >>> quote('say "hi"')
    '"say ""hi\"""'
    """
    if not name or "\x00" in name:
        raise SourceError(
            f"found the name {name!r}, expected one that is not empty and holds no NUL",
            mend="rename it, or read through a view that does",
        )
    return mark + name.replace(mark, mark * 2) + mark


def literal(text: str) -> str:
    """Text as an SQL string literal.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def public_names(places: Sequence[tuple[str, str]], home: Collection[str]) -> dict[tuple[str, str], str]:
    """What each (schema, table) is called: the table alone where that is unambiguous or at home.

    >>> public_names([("public", "a"), ("sales", "a"), ("sales", "b")], {"public"})
    {('public', 'a'): 'a', ('sales', 'a'): 'sales.a', ('sales', 'b'): 'b'}
    """
    times = Counter(table.casefold() for _, table in places)
    at_home = Counter(table.casefold() for schema, table in places if schema in home)
    return {
        (schema, table): (
            table
            if times[table.casefold()] == 1 or (schema in home and at_home[table.casefold()] == 1)
            else f"{schema}.{table}"
        )
        for schema, table in places
    }


def mask(url: str) -> str:
    """A URL that is fit to show: without its password and its parameters.

    >>> mask("postgresql://ann:s3cret@db:5432/shop?sslmode=require")
    'postgresql://ann:***@db:5432/shop'
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return url.split("://")[0] + "://***"
    user = f"{parts.username}{':***' if parts.password is not None else ''}@" if parts.username else ""
    return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"


def without_secrets(text: str, url: str) -> str:
    """A driver's message, with the URL's password taken out wherever it appears."""
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    for secret in {password, unquote(password)} if password else ():
        text = text.replace(secret, "***")
    return text.replace(url, mask(url)).strip()
