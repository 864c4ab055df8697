from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def tally(keys: Array, offsets: Array) -> None: ...
def place(keys: Array, next: Array, found: Array) -> None: ...
def gather(values: Array, index: Array, out: Array) -> None: ...
def index(table: Array, slots: Array, least: int, shift: int) -> None: ...
def probe(keys: Array, table: Array, slots: Array, least: int, shift: int, out: Array) -> None: ...
def measures() -> tuple[tuple[str, str], ...]: ...
def sweep(
    offsets: Array,
    times: Array,
    inputs: tuple[tuple[Any, ...], ...],
    outputs: tuple[tuple[Any, ...], ...],
    row_offsets: Array,
    order: Array,
    cutoffs: Array,
    edges: Array,
    first: int,
    end: int,
) -> None: ...
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
