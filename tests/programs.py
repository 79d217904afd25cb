"""Programs from outside Python that some tests need."""

import os
import shutil

import pytest


def require_program(name: str, *other_names: str) -> str:
    """Find a program, or skip the test; with STEPWATCH_REQUIRE_PROGRAMS=1 fail it instead.

    Args:
        name: What it is called.
        other_names: What it is called elsewhere: the first that is there is taken.

    Returns:
        The path of the program.
    """
    for known in (name, *other_names):
        path = shutil.which(known)
        if path is not None:
            return path
    told = " or ".join((name, *other_names))
    if os.environ.get("STEPWATCH_REQUIRE_PROGRAMS") == "1":
        pytest.fail(f"{told} is not installed and STEPWATCH_REQUIRE_PROGRAMS asks for it")
    pytest.skip(f"{told} is not installed")
