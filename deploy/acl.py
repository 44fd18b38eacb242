"""What each service may do in Redis: one user each, limited to its keys and commands.

`RIGHTS` restates "a key is written by one service" (shared/storage/keys.py) in a form that the server enforces; a test
runs the services under it. Read `acl_file`: passwords are kept as SHA-256 there, so the file itself is no secret
(they are random and long; nothing can be guessed from their hashes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

# No key listing, flushing, configuration, monitoring or debugging; scripts see the same limits as plain commands.
COMMANDS = (
    "-@all +@read +@write +@scripting +@connection +@transaction -@dangerous -@admin -script|flush -script|kill "
    "+time +cluster|slots +cluster|shards +cluster|nodes +cluster|myid +command +info"
)


@dataclass(frozen=True)
class Rights:
    """Patterns of the keys that a service may read, and of those that it may write (and read) too."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]


# Sites, skills and operators' records; never password hashes and logins.
_DIRECTORY = ("{dir}:head", "{dir}:changes", "{dir}:sites", "{dir}:operators")
_EVERYBODY = ("foyer:partitions",)


def _owner(service: str) -> tuple[str, ...]:
    """What an owner of partitions has: checkpoint, mark, lease, timers, parked input, registry of instances."""
    return (
        f"ck:*:{service}",
        f"cm:*:{service}",
        f"own:*:{service}",
        f"z:*:{service}:*",
        f"dead:*:{service}",
        f"reg:{{{service}}}",
    )


RIGHTS = {
    "collector": Rights(
        reads=(*_DIRECTORY, "ck:*", "chat:*", "v:*", "p:*", "g:*", "o:*", "t:*", "rd:*", "w:*", "iv:*"),
        writes=(*_EVERYBODY, "in:*", "cmd:*"),
    ),
    "presence": Rights(
        reads=(*_DIRECTORY, "g:*"),
        writes=(
            *_EVERYBODY,
            *_owner("presence"),
            "in:*",
            "cmd:*",  # who is engaged has left or is back
            "log:*",
            "col:*",
            "v:*",
            "m:*",
            "p:*",
            "n:*",
            "h:*",
            "d:*",
            "b:*",
        ),
    ),
    "chat-routing": Rights(
        reads=(*_DIRECTORY, "v:*", "p:*"),
        writes=(
            *(*_EVERYBODY, *_owner("chat_routing"), "cmd:*", "log:*", "chat:*"),
            *("g:*", "ea:*", "eo:*", "mg:*", "o:*", "gw:*", "t:*", "rd:*", "w:*", "iv:*", "c:*", "cs:*"),
            *("dk:*", "bn:*", "ib:*", "ibd:*", "tr:*", "tw:*", "nq:*", "nd:*", "an:*"),
        ),
    ),
    "operator-gateway": Rights(
        reads=(
            "ck:*",
            "log:*",
            "chat:*",
            "v:*",
            "m:*",
            "p:*",
            "n:*",
            "h:*",
            "d:*",
            "b:*",
            "g:*",
            "mg:*",
            "o:*",
            "gw:*",
            *("t:*", "rd:*", "c:*", "cs:*", "dk:*", "bn:*", "ib:*", "ibd:*", "nd:*"),
        ),
        writes=(*_EVERYBODY, "in:*", "cmd:*", "cr:*", "{dir}:*"),
    ),
}


def user(name: str, rights: Rights, password: str) -> str:
    """One line of an ACL file."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    keys = " ".join([f"%R~{pattern}" for pattern in rights.reads] + [f"~{pattern}" for pattern in rights.writes])
    return f"user {name} on #{digest} resetkeys {keys} resetchannels {COMMANDS}"


def acl_file(passwords: Mapping[str, str]) -> str:
    """The text of the server's `aclfile`: the services, and nobody else."""
    lines = ["user default off", *(user(name, RIGHTS[name], password) for name, password in passwords.items())]
    return "\n".join(lines) + "\n"
