"""The compiled extension: whether it is there, and why not."""

from __future__ import annotations

from types import ModuleType

AVAILABLE: bool
"""Whether the extension can be imported."""

REASON: str
"""Why it cannot; empty where it can."""

_module: ModuleType | None
try:
    import foretell.kernel._kernel as _module
except ModuleNotFoundError:
    _module, REASON = None, "it was not compiled when foretell was installed, which takes a C compiler"
except ImportError as error:
    _module, REASON = None, str(error)
else:
    REASON = ""
AVAILABLE = _module is not None


def extension() -> ModuleType:
    """The extension's functions; ImportError where there is none."""
    if _module is None:
        raise ImportError(f"the native kernel is not available: {REASON}")
    return _module
