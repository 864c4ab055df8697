"""What a person lets be tried, and the families of models that come of it."""

from __future__ import annotations

from enum import StrEnum

from foretell.core.errors import UsageError
from foretell.core.text import did_you_mean


class Choice(StrEnum):
    """What may be tried: all that time allows, simple rules alone, no nets, or nets alone."""

    AUTO = "auto"
    BASELINE = "baseline"
    TREES = "trees"
    DEEP = "deep"

    @property
    def has_trees(self) -> bool:
        return self in (Choice.AUTO, Choice.TREES)

    @property
    def has_nets(self) -> bool:
        return self in (Choice.AUTO, Choice.DEEP)


class Family(StrEnum):
    """What a member of a model belongs to; the rules that trees are blended with count as theirs."""

    BASELINE = "baseline"
    TREES = "trees"
    NET = "net"


def choice_of(text: str) -> Choice:
    """The choice of that name.

    >>> choice_of("dep")
    Traceback (most recent call last):
    foretell.core.errors.UsageError: found the model 'dep', expected auto, baseline, trees or deep
    did you mean 'deep'?
    """
    try:
        return Choice(text)
    except ValueError:
        names = [c.value for c in Choice]
        expected = f"{', '.join(names[:-1])} or {names[-1]}"
        raise UsageError(
            f"found the model {text!r}, expected {expected}", mend=did_you_mean(str(text), names)
        ) from None
