"""The models that were used last, read once: a file is checked against its sha256 when it is read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from foretell.prediction.model import Model

MOST = 4


class Shelf:
    """A few models by their sha256, the one that was used longest ago making room."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, Model] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, sha256: str, read: Callable[[], Model]) -> Model:
        """The model of that file; of several that ask at once, one reads it."""
        with self._lock:
            found = self._models.pop(sha256, None)
            if found is None:
                found = read()
            self._models[sha256] = found
            while len(self._models) > MOST:
                self._models.popitem(last=False)
            return found
