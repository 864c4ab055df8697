"""The native engine's loops over arrays: numpy in, numpy out, compiled in C, nothing known of plans."""

from __future__ import annotations

from foretell.kernel.arrays import gather, group, lookup
from foretell.kernel.extension import AVAILABLE, REASON
from foretell.kernel.model import MISSING, Codes, Events, Input, Numbers, Output
from foretell.kernel.sweeps import sweep

__all__ = [
    "AVAILABLE",
    "MISSING",
    "REASON",
    "Codes",
    "Events",
    "Input",
    "Numbers",
    "Output",
    "gather",
    "group",
    "lookup",
    "sweep",
]
