"""The secret that opens the server: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from foretell.core.errors import ConfigError

ENVIRONMENT = "FORETELL_TOKEN"
BITS = 256
_SOUND = re.compile(r"[A-Za-z0-9_-]{32,256}")


@dataclass(frozen=True)
class Token:
    """A secret that is never shown: not printed, not logged, compared in constant time.

    >>> token = Token("a" * 43)
    >>> token, token.fits("b" * 43), token.fits("a" * 43)
    (<Token>, False, True)
    """

    secret: str = field(repr=False)
    is_known: bool = False  # to whoever started the server: it need not be shown
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        if not _SOUND.fullmatch(self.secret):
            raise ConfigError(
                "the token is not 32 to 256 letters, digits, '-' or '_'",
                mend='make one: python -c "import secrets; print(secrets.token_urlsafe(32))"',
            )

    def __repr__(self) -> str:
        return "<Token>"

    def fits(self, said: str) -> bool:
        """Whether somebody said the token."""
        return hmac.compare_digest(said.encode("utf-8", "replace"), self.secret.encode())

    @property
    def cookie(self) -> str:
        """What a browser keeps instead: good until this server stops, and nothing tells the token from it."""
        return hmac.new(self.salt, self.secret.encode(), hashlib.sha256).hexdigest()

    def fits_cookie(self, said: str) -> bool:
        """Whether a browser brought the cookie."""
        return hmac.compare_digest(said.encode("utf-8", "replace"), self.cookie.encode())


def default_place() -> Path:
    """Where the token is kept: in the user's folder of settings."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return (Path(base) if base else Path.home() / ".config") / "foretell" / "token"


def token_of(place: Path | None = None) -> Token:
    """The token: of `place` where that is given, else of FORETELL_TOKEN, else of the user's own file.

    A file that is not there is made, with 256 random bits. One that others may read is a ConfigError.
    """
    if place is None:
        given = os.environ.get(ENVIRONMENT)
        if given is not None:
            return Token(given.strip(), is_known=True)
        place = default_place()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(place)
        return Token(_read(place))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"the token's file {str(place)!r} cannot be used: {why}") from None


def _make(place: Path) -> None:
    """Make the file unless it is there; of two that start at once, one makes it."""
    try:
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(BITS // 8) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read(place: Path) -> str:
    handle = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, encoding="ascii") as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode):
            raise ConfigError(f"{str(place)!r} is no file", mend="name another with --token-file")
        if os.name == "posix" and told.st_mode & 0o077:
            raise ConfigError(
                f"others may read the token's file {str(place)!r}",
                mend=f"chmod 600 {place}, and make a new token if somebody has",
            )
        return file.read(1024).strip()
