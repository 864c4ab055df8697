"""What a person asks of the features: how many, over which look-back windows, and which by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from foretell.core.errors import ConfigError, UsageError
from foretell.core.text import did_you_mean
from foretell.core.time import Offset, parse_span


class Breadth(StrEnum):
    """How much is tried: `less` keeps the best, `more` looks further."""

    LESS = "less"
    STANDARD = "standard"
    MORE = "more"


@dataclass(frozen=True)
class FeatureSettings:
    """The [features] section of foretell.toml, and what a call says over it.

    `budget` is the most features that are kept (None: the breadth's own); `windows` are the look-back windows
    (none: multiples of the target's own). `include` and `exclude` are patterns over the names of features,
    where `*` stands for any text and `?` for one character.
    """

    breadth: Breadth = Breadth.STANDARD
    budget: int | None = None
    windows: tuple[Offset, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def said(
        self, features: str | None = None, windows: str | Sequence[str] | None = None
    ) -> FeatureSettings:
        """These settings with what one call says: a breadth of its own sets the budget of that breadth.

        >>> FeatureSettings(budget=50).said("more", "7d,30d").windows
        (Offset(amount=7.0, unit=<Unit.DAY: 'day'>), Offset(amount=30.0, unit=<Unit.DAY: 'day'>))
        """
        changed = self
        if features is not None:
            changed = replace(changed, breadth=breadth_of(features), budget=None)
        if windows is not None:
            changed = replace(changed, windows=windows_of(windows))
        return changed


DEFAULT = FeatureSettings()


def breadth_of(text: str) -> Breadth:
    """The breadth of that name.

    >>> breadth_of("mor")
    Traceback (most recent call last):
    foretell.core.errors.ConfigError: found features 'mor', expected less, standard or more
    did you mean 'more'?
    """
    try:
        return Breadth(text)
    except ValueError:
        names = [b.value for b in Breadth]
        raise ConfigError(
            f"found features {text!r}, expected less, standard or more", mend=did_you_mean(str(text), names)
        ) from None


def windows_of(texts: str | Sequence[str]) -> tuple[Offset, ...]:
    """Look-back windows, the shortest first: `7d,30d`, or a list of such spans.

    >>> [str(w) for w in windows_of("30d, 1w")]
    ['1 week', '30 days']
    >>> windows_of("0d")
    Traceback (most recent call last):
    foretell.core.errors.ConfigError: found the window '0d', expected one longer than nothing
    """
    parts = texts.split(",") if isinstance(texts, str) else texts
    found: dict[float, Offset] = {}
    for part in parts:
        if not isinstance(part, str):
            raise ConfigError(f"found the window {part!r}, expected text", mend='write it as "7d"')
        try:
            window = parse_span(part)
        except UsageError as error:
            raise ConfigError(error.message, mend=error.mend) from None
        if window.microseconds <= 0:
            raise ConfigError(f"found the window {part.strip()!r}, expected one longer than nothing")
        found.setdefault(window.microseconds, window)
    if not found:
        raise ConfigError("found no window, expected at least one", mend="write them as 7d,30d")
    return tuple(found[length] for length in sorted(found))
