"""A test that is skipped is noticed where CI is set, whatever skipped it, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = """
import pytest
from tests.tools import tool

@pytest.mark.skipif(True, reason="by a mark")
def test_marked(): ...

def test_called():
    pytest.skip("by itself")

def test_tool():
    tool("no-such-program", "its-package")

@pytest.fixture
def absent():
    pytest.skip("by a fixture")

def test_fixture(absent): ...

@pytest.mark.xfail(reason="known")
def test_expected():
    raise AssertionError

def test_good(): ...
"""


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", "2 failed, 1 passed, 1 xfailed, 2 errors"), ("", "1 passed, 4 skipped, 1 xfailed")]
)
def test_a_skip_is_a_failure_in_ci_and_nowhere_else(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "test_some.py").write_text(SKIPPED)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.no_skips", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [*command, f"--rootdir={tmp_path}", "-c", "/dev/null"], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert outcome in run.stdout, run.stdout
    assert ("Debian: its-package" in run.stdout) == (ci == "true")
