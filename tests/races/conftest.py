"""The stage of the races, one for all of them, and their results at the end of the run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.contracts.sites import SiteSettings, WidgetSettings
from tests.races.contest import TALLIES
from tests.races.stage import Lane, Stage
from tests.races.stage import stage as running

LANES = 4
# Pauses between chats of one visitor are as short as they may be, so that it can race again at once.
QUICK = SiteSettings(
    kick_cooldown_ms=10, invite_cooldown_ms=10, leave_grace_ms=1_000, widget=WidgetSettings(name="off")
)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The running system."""
    async with running(tmp_path_factory.mktemp("races")) as up:
        yield up


@pytest_asyncio.fixture(loop_scope="package")
async def lanes(stage: Stage) -> AsyncIterator[list[Lane]]:
    """Sites of three operators each (two of them and a supervisor), with the product's numbers."""
    async with stage.lanes(LANES, 3, QUICK) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Rounds and outcomes."""
    if TALLIES:
        terminalreporter.section("races")
    for tally in TALLIES:
        outcomes = ", ".join(f"{name} {number}" for name, number in sorted(tally.outcomes.items()))
        again = f"; {tally.repeats} commands sent again" if tally.repeats else ""
        terminalreporter.line(f"{tally.name}: {tally.rounds} rounds: {outcomes}{again}")
