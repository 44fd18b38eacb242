"""What a person sees of the logs: warnings in words, nothing that could spoil the terminal, never a flood."""

import io
import json
from pathlib import Path

import pytest

from deploy.local.terminal import LINES_PER_BURST, LINES_PER_KIND, BoundedLog, Burst, Terminal, readable


def test_information_is_not_shown() -> None:
    assert readable('{"level": "info", "event": "started"}') is None
    assert readable("") is None


def test_warning_is_shown_in_words() -> None:
    line = {"level": "warning", "event": "country_db_missing", "timestamp": "t", "service": "collector", "path": "/x"}
    shown = readable(json.dumps(line))
    assert shown is not None
    assert (shown.level, shown.text) == ("warning", "country_db_missing path=/x")


def test_exception_is_shown_by_its_last_line() -> None:
    line = {"level": "error", "event": "task_failed", "exception": "Traceback …\n  File x\nValueError: no"}
    shown = readable(json.dumps(line))
    assert shown is not None
    assert shown.text == "task_failed (ValueError: no)"


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "[1, 2]", '"text"', "12"])
def test_line_that_is_no_log_entry_is_shown_as_it_is(line: str) -> None:
    shown = readable(line)
    assert shown is not None
    assert shown.text == line


def test_control_and_bidi_characters_do_not_reach_the_terminal() -> None:
    shown = readable("\x1b[31mred\x1b[0m \u202egnp.exe\x07")
    assert shown is not None
    assert shown.text.isprintable()


def test_burst_lets_some_lines_through_and_counts_the_rest() -> None:
    burst = Burst()
    assert sum(burst.allows(0.0, f"event_{number}") for number in range(100)) == LINES_PER_BURST
    assert burst.held_back == 100 - LINES_PER_BURST
    assert burst.allows(1000.0, "event_0")


def test_the_same_event_is_shown_a_few_times_only() -> None:
    burst = Burst()
    assert sum(burst.allows(0.0, f"partition_waits partition={number}") for number in range(16)) == LINES_PER_KIND
    assert burst.allows(0.0, "other")


def test_log_keeps_the_newest_lines_within_its_bound(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "x.log", limit_bytes=1000)
    for number in range(500):
        log.write(b"line %d" % number)
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000
    assert (tmp_path / "x.log").read_bytes().endswith(b"line 499\n")


def test_closed_pipe_does_not_stop_the_run() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    terminal = Terminal(Gone())
    terminal.line("one")
    terminal.line("two")
