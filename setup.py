"""Builds the kernel's C extension; all else is in pyproject.toml.

The extension is optional: where it cannot be compiled the install succeeds without it.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup

KERNEL = Path("src/foretell/kernel")

# Features must not depend on how a compiler fuses multiplications and additions.
FLAGS = ["/O2", "/fp:precise"] if sys.platform == "win32" else ["-O3", "-std=c11", "-ffp-contract=off"]

setup(
    ext_modules=[
        Extension(
            "foretell.kernel._kernel",
            sources=sorted(path.as_posix() for path in KERNEL.glob("*.c")),
            depends=sorted(path.as_posix() for path in KERNEL.glob("*.h")),
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=FLAGS,
            py_limited_api=True,
            optional=True,
        )
    ],
)
