"""Programs that tests drive from outside, such as a browser or an attack tool. Read :func:`tool`."""

from __future__ import annotations

import os
import shutil

import pytest

PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"))  # Debian's nginx and haproxy


def tool(program: str, package: str = "") -> str:
    """Where the program is. Without it the test is skipped with one line; in CI, which installs it, it fails."""
    found = shutil.which(program, path=PATH)
    if found is None:
        missing(f"{program} is not installed (Debian: {package or program})")
    assert found is not None
    return found


def missing(what: str) -> None:
    """End the test: what it needs is not there. A skip on a developer's machine, a failure where CI is set."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
