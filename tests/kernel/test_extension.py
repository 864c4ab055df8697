"""Without the compiled extension the kernel says why it cannot serve, and everything else can be imported."""

from __future__ import annotations

import subprocess
import sys

from foretell import kernel

WITHOUT = """
import sys
sys.modules["foretell.kernel._kernel"] = None  # as where it was not compiled
import numpy as np
import foretell.engines.choose
from foretell import kernel
assert not kernel.AVAILABLE
assert "C compiler" in kernel.REASON, kernel.REASON
assert foretell.engines.choose.chosen_kind() == "duckdb"
try:
    kernel.group(np.zeros(1, dtype=np.int32), 1)
except ImportError as error:
    print(error)
"""


def test_where_it_is_there_is_no_reason() -> None:
    assert kernel.AVAILABLE
    assert kernel.REASON == ""


def test_where_it_is_not_the_reason_is_told() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("the native kernel is not available: ")
