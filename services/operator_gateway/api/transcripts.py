"""Transcripts for people and spreadsheets. What visitors wrote stays text: it forges no line and starts no formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from shared.contracts.chat import ChatEvent

# Controls but for the line break, and what turns the direction of the text around it.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
COLUMNS = ("seq", "time", "type", "by", "name", "text", "reason")


def as_text(events: Sequence[ChatEvent]) -> str:
    """One line an event; further lines of a message are indented, so that none looks like an event."""
    return "".join(f"{_time(event)}  {_said(event)}\n" for event in events)


def _said(event: ChatEvent) -> str:
    name = _plain(event.by.name or event.by.kind).replace("\n", " ")
    words = _plain(event.text or event.reason).replace("\n", "\n    ")
    return f"{name}: {words}" if event.type == "message" else f"* {event.type} ({name}) {words}".rstrip()


def as_csv(events: Sequence[ChatEvent]) -> str:
    """A header and a row for each event."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for event in events:
        cells = (event.type, event.by.kind, event.by.name, event.text, event.reason)
        writer.writerow((event.seq, _time(event), *(cell(text) for text in cells)))
    return out.getvalue()


def cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, whatever spaces stand before."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def _time(event: ChatEvent) -> str:
    return datetime.fromtimestamp(event.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))
