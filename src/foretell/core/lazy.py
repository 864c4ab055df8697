"""Heavy and optional dependencies come when they are called for, with a message that names the extra."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from foretell.core.errors import MissingExtraError


def installed(module: str) -> bool:
    """Whether `module` is there to be imported, without importing it.

    >>> installed("json"), installed("no_such_module")
    (True, False)
    """
    return importlib.util.find_spec(module) is not None


def require(module: str, *, extra: str | None = None) -> ModuleType:
    """Import `module`, or say which extra brings it.

    >>> require("json").__name__
    'json'
    >>> require("no_such_module", extra="deep")
    Traceback (most recent call last):
    foretell.core.errors.MissingExtraError: this needs the package 'no_such_module', which is not installed
    pip install 'foretell[deep]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        root = module.split(".")[0]
        raise MissingExtraError(
            f"this needs the package {root!r}, which is not installed",
            mend=f"pip install 'foretell[{extra}]'" if extra else f"pip install {root}",
        ) from None
    except OSError as error:
        raise MissingExtraError(
            f"the package {module!r} is installed, and cannot be loaded: {error}",
            mend="a system library is missing; libgomp.so.1 on Debian or Ubuntu: apt-get install libgomp1",
        ) from None
