"""A child of the local run is watched: started again when it dies, stopped in order, its log kept and bounded."""

import asyncio
import io
import os
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from deploy.local.child import BACKOFF_MOST_S, Child, ChildFailedError, ChildSpec, backoff_s
from deploy.local.terminal import BoundedLog, Terminal
from tests.eventually import eventually

OBEDIENT = """
    import signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: (print('{"level": "info", "event": "bye"}', flush=True), sys.exit(0)))
    print('{"level": "warning", "event": "up"}', flush=True)
    time.sleep(60)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
DYING = "import sys; print('no luck', flush=True); sys.exit(3)"


class Fixture:
    def __init__(self, folder: Path, code: str, ready_url: str | None = None, stop_s: float = 10.0) -> None:
        (folder / "child_program.py").write_text(dedent(code))
        path = os.pathsep.join([str(folder), *sys.path])
        spec = ChildSpec("worker", "child_program", (), {**os.environ, "PYTHONPATH": path}, ready_url, stop_s)
        self.out = io.StringIO()
        self.log = folder / "logs/worker.log"
        self.bounded = BoundedLog(self.log)
        self.child = Child(spec, Terminal(self.out), self.bounded)

    def written(self, text: str, times: int = 1) -> bool:
        return self.log.read_text().count(text) >= times


async def test_stopped_child_leaves_in_order_and_its_last_words_are_kept(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, OBEDIENT)
    await fixture.child.start(10)
    await eventually(lambda: fixture.written("up"))
    assert await fixture.child.stop()
    assert fixture.written("bye")
    assert "worker            up" in fixture.out.getvalue()
    assert "bye" not in fixture.out.getvalue()


async def test_child_that_will_not_stop_is_killed_and_that_is_said(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, STUBBORN, stop_s=0.1)
    await fixture.child.start(10)
    await eventually(lambda: fixture.written("up"))
    assert not await fixture.child.stop()
    assert "was killed" in fixture.out.getvalue()


async def test_child_that_ends_while_coming_up_fails_the_run_with_its_words(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, DYING, ready_url="http://127.0.0.1:9/readyz")
    with pytest.raises(ChildFailedError, match=r"exit code 3[\s\S]*no luck"):
        await fixture.child.start(10)
    await fixture.child.stop()


async def test_killed_child_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, OBEDIENT)
    await fixture.child.start(10)
    watcher = asyncio.create_task(fixture.child.watch())
    await eventually(lambda: fixture.written("up"))
    assert fixture.child.pid is not None
    os.kill(fixture.child.pid, 9)
    await eventually(lambda: fixture.written("up", times=2))
    assert "ended with SIGKILL; starting it again in 0.5 s" in fixture.out.getvalue()
    assert await fixture.child.stop()
    await asyncio.wait_for(watcher, 10)


async def test_endless_line_is_cut_not_collected(tmp_path: Path) -> None:
    fixture = Fixture(tmp_path, "import sys; sys.stdout.write('x' * 1_000_000); sys.stdout.flush()")
    await fixture.child.start(10)
    await eventually(lambda: fixture.log.stat().st_size >= 1_000_000)
    await fixture.child.stop()
    assert max(len(line) for line in fixture.log.read_text().splitlines()) < 200_000


def test_pauses_between_starts_grow_and_are_bounded() -> None:
    pauses = [backoff_s(deaths) for deaths in range(1, 100)]
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses[-1] == BACKOFF_MOST_S
