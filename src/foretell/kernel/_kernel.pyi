from typing import Any

from numpy.typing import NDArray

def find_ranges(
    offsets: NDArray[Any],
    times: NDArray[Any],
    anchors: NDArray[Any],
    low: NDArray[Any],
    high: NDArray[Any],
    starts: NDArray[Any],
    stops: NDArray[Any],
    /,
) -> None: ...
def range_numbers(
    kind: int,
    starts: NDArray[Any],
    stops: NDArray[Any],
    values: NDArray[Any],
    index: NDArray[Any] | None,
    q: float,
    out: NDArray[Any],
    /,
) -> None: ...
def range_codes(
    kind: int,
    starts: NDArray[Any],
    stops: NDArray[Any],
    codes: NDArray[Any],
    index: NDArray[Any] | None,
    size: int,
    out: NDArray[Any],
    /,
) -> None: ...
