"""Whether the compiled extension is there, and why not."""

from __future__ import annotations

AVAILABLE: bool
"""Whether the extension can be imported."""

REASON: str
"""Why it cannot; empty where it can."""

try:
    from foretell.kernel import _kernel as _kernel
except ImportError as error:
    AVAILABLE, REASON = False, str(error)
else:
    AVAILABLE, REASON = True, ""
