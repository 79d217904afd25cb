"""Programs from outside Python that some tests need."""

import os
import shutil

import pytest


def require_program(name: str) -> str:
    """Find a program, or skip the test; with STEPWATCH_REQUIRE_PROGRAMS=1 fail it instead.

    Returns:
        The path of the program.
    """
    path = shutil.which(name)
    if path is not None:
        return path
    if os.environ.get("STEPWATCH_REQUIRE_PROGRAMS") == "1":
        pytest.fail(f"{name} is not installed and STEPWATCH_REQUIRE_PROGRAMS asks for it")
    pytest.skip(f"{name} is not installed")
