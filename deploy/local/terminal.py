"""What a person sees of the children's logs: warnings in words; everything else stays in bounded files.

`readable` decides; `Terminal` prints and survives a closed pipe; `BoundedLog` keeps the newest lines of one child.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

LOG_BYTES = 5 << 20  # a file and its predecessor: 10 MiB a child at most
SHOWN_LEVELS = {"warning": "warning", "warn": "warning", "error": "error", "critical": "error", "fatal": "error"}
UNINTERESTING = frozenset({"event", "level", "timestamp", "time", "service", "logger", "exception", "stack"})
MAX_SHOWN = 600
LINES_PER_BURST, LINES_PER_KIND = 20, 3
BURST_S = 10.0

Level = Literal["info", "warning", "error"]
COLOURS = {"dim": "2", "bold": "1", "info": "36", "warning": "33", "error": "31", "good": "32"}


@dataclass(frozen=True)
class Shown:
    """One line for the terminal."""

    level: Level
    text: str


def readable(line: str) -> Shown | None:
    """The human form of a log line, None for what need not be seen. A line that is no JSON is shown as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        return Shown("warning", printable(line)) if line.strip() else None
    level = SHOWN_LEVELS.get(str(entry.get("level", "info")).lower())
    if level is None:
        return None
    fields = " ".join(f"{key}={_short(value)}" for key, value in entry.items() if key not in UNINTERESTING)
    cause = str(entry.get("exception") or "").strip().rsplit("\n", 1)[-1]
    text = " ".join(part for part in (str(entry.get("event", "")), fields, f"({cause})" if cause else "") if part)
    return Shown("error" if level == "error" else "warning", printable(text))


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def printable(text: str) -> str:
    """Without anything that could move the cursor, change colours or turn the writing direction."""
    clean = "".join(char if char.isprintable() else " " for char in text.replace("\t", "  ").rstrip())
    return clean if len(clean) <= MAX_SHOWN else clean[:MAX_SHOWN] + " …"


class Terminal:
    """Prints prefixed lines. A reader that has gone (a closed pipe) is no reason to stop anything."""

    def __init__(self, out: IO[str] | None = None) -> None:
        self._out: IO[str] | None = out or sys.stdout
        self._colours = self._out.isatty() and "NO_COLOR" not in os.environ

    def line(self, text: str = "") -> None:
        if self._out is None:
            return
        try:
            print(text, file=self._out, flush=True)
        except (BrokenPipeError, ValueError):
            if self._out is sys.stdout:  # else the interpreter complains about it when it ends
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, sys.stdout.fileno())
                os.close(nowhere)
            self._out = None

    def from_child(self, name: str, shown: Shown) -> None:
        self.line(f"{self.paint('dim', f'{name:<17}')} {self.paint(shown.level, shown.text)}")

    def paint(self, colour: str, text: str) -> str:
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self._colours else text


class Burst:
    """Lets so many lines through in so many seconds, and few of a kind: a child in trouble must not flood."""

    def __init__(self) -> None:
        self._until = 0.0
        self._shown: Counter[str] = Counter()
        self.held_back = 0

    def allows(self, now_s: float, text: str) -> bool:
        """A line's kind is its first word: the name of a log entry's event."""
        if now_s >= self._until:
            self._until = now_s + BURST_S
            self._shown.clear()
        kind = text.partition(" ")[0]
        if self._shown.total() < LINES_PER_BURST and self._shown[kind] < LINES_PER_KIND:
            self._shown[kind] += 1
            return True
        self.held_back += 1
        return False


class BoundedLog:
    """A log file that is set aside when full; the one set aside before is forgotten."""

    def __init__(self, path: Path, limit_bytes: int = LOG_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self._limit_bytes = limit_bytes
        self._file = path.open("ab")

    def write(self, line: bytes) -> None:
        if self._file.tell() + len(line) > self._limit_bytes:
            self._file.close()
            self.path.replace(self.path.with_suffix(".log.1"))
            self._file = self.path.open("ab")
        self._file.write(line + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
