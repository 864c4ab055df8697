"""Numbers as people read them: shares, amounts, spans and small pictures made of characters."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def share(value: float | None) -> str:
    """A share of one as a percentage, with decimals where they matter.

    >>> share(0.5138), share(0.0042), share(0.99996), share(0.0), share(None)
    ('51%', '0.4%', '>99.9%', '0%', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    percent = 100 * value
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    if percent < 1 or percent > 99:
        return f"{percent:.1f}".removesuffix(".0") + "%"
    return f"{percent:.0f}%"


def amount(value: float | int | None) -> str:
    """A number in at most about four significant digits, thousands apart.

    >>> amount(1234567.8), amount(12.3456), amount(0.012345), amount(3), amount(float("nan"))
    ('1,234,568', '12.35', '0.01235', '3', '–')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, int) or math.isinf(value):
        return f"{value:,}"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:,.1f}"
    text = f"{value:.4g}"
    return f"{value:.2f}" if "e" not in text and size >= 1 and value != int(value) else text


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign.

    >>> signed(0.0312), signed(-2.5, 1), signed(0.0)
    ('+0.031', '−2.5', '0.000')
    """
    if math.isnan(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else "−") + text


def sparkline(values: Sequence[float], *, low: float | None = None, high: float | None = None) -> str:
    """Values as bars of eight heights, from `low` to `high` (by default the values' own).

    >>> sparkline([1, 2, 3, 4]), sparkline([5, 5]), sparkline([])
    ('▁▃▆█', '▄▄', '')
    """
    known = [v for v in values if not math.isnan(v)]
    if not known:
        return " " * len(values)
    floor = min(known) if low is None else low
    span = (max(known) if high is None else high) - floor

    def bar(value: float) -> str:
        if math.isnan(value):
            return " "
        if span <= 0:
            return BARS[3]
        return BARS[min(7, max(0, round((value - floor) / span * 7)))]

    return "".join(bar(v) for v in values)


def meter(value: float, width: int = 10) -> str:
    """A share of one as a bar of blocks.

    >>> meter(0.5, 4), meter(1.0, 4), meter(0.0, 4)
    ('██  ', '████', '    ')
    """
    full = 0 if math.isnan(value) else round(min(max(value, 0), 1) * width)
    return "█" * full + " " * (width - full)


def duration(seconds: float) -> str:
    """A span of time in its two largest units.

    >>> duration(0.4), duration(42), duration(125), duration(3725)
    ('0.4 s', '42 s', '2 min 5 s', '1 h 2 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(text: str) -> str:
    """An instant without its seconds: they matter to nobody who reads a table.

    >>> moment("2025-11-30 22:36:14"), moment("2025-11-30"), moment("2025-01-01 … 2025-02-01 10:00:07.25")
    ('2025-11-30 22:36', '2025-11-30', '2025-01-01 … 2025-02-01 10:00')
    """
    return re.sub(r"(\d\d:\d\d):\d\d(\.\d+)?", r"\1", text)
