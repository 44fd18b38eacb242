"""Members of the partition's timer set: what each one is about.

`o` an operator (end of the grace, or to be forgotten), `m` an operator without connection (tell the visitors), `g` a
gateway (is it alive?), `e` a visitor's engagement, `t` a visitor whom a trigger may fit by now, `w` a site where an
operator has become free and triggers may have been waiting for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

Who = tuple[str, str]  # site, and operator or visitor


def operator_timer(key: Who) -> bytes:
    """Look at this operator again."""
    return f"o {key[0]} {key[1]}".encode()


def missing_timer(key: Who) -> bytes:
    """Tell the visitors of this operator, if it is still without connection."""
    return f"m {key[0]} {key[1]}".encode()


def gateway_timer(gateway: str) -> bytes:
    """Is this gateway still alive?"""
    return f"g {gateway}".encode()


def engagement_timer(key: Who) -> bytes:
    """Look at this visitor's engagement again."""
    return f"e {key[0]} {key[1]}".encode()


def trigger_timer(key: Who) -> bytes:
    """Look at this visitor again for triggers."""
    return f"t {key[0]} {key[1]}".encode()


def waiting_timer(site: str) -> bytes:
    """Look at the visitors of this site for whom nobody was free."""
    return f"w {site}".encode()


@dataclass(slots=True)
class Due:
    """Timers whose time has come, by kind."""

    operators: list[Who] = field(default_factory=list)
    missing: list[Who] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    engagements: list[Who] = field(default_factory=list)
    triggers: list[Who] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, members: Iterable[bytes]) -> Due:
        """Sort the members. One of no kind of ours is dropped, and so goes."""
        due = cls()
        for member in members:
            kind, _, name = member.decode().partition(" ")
            site, _, who = name.partition(" ")
            match kind:
                case "o":
                    due.operators.append((site, who))
                case "m":
                    due.missing.append((site, who))
                case "g":
                    due.gateways.append(name)
                case "e":
                    due.engagements.append((site, who))
                case "t":
                    due.triggers.append((site, who))
                case "w":
                    due.waiting.append(name)
        return due
