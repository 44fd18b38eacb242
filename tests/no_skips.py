"""Where CI is set, a test that is skipped has failed: nobody reads the list of what did not run.

CI installs every program that a test drives, and runs on the system that the tests are for. So whatever skips a test
there (a missing tool, a forgotten package, a mark that was meant for a while) is a fault of the set-up.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The report of a phase of a test, with a skip turned into a failure."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where CI is set: {reason}"
    return report
