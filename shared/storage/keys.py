"""Every Redis key of Foyer. A key of a site carries its partition's hash tag; the directory has a tag of its own.

Single writer: behind each function stands the service that alone writes the key.
"""

from __future__ import annotations

from typing import Literal

from shared.domain.partitions import Partition
from shared.domain.visitor import short_id

InputStream = Literal["in", "cmd"]
OutputStream = Literal["log", "chat"]

INSTALLATION = "foyer:partitions"  # `<number of partitions> <FORMAT>`: whoever starts first
FORMAT = 2  # of what is stored; another number cannot be read


def stream(name: InputStream | OutputStream, partition: Partition) -> str:
    """`in` collectors; `cmd` collectors and gateways; `log` presence and chat-routing; `chat` chat-routing."""
    return f"{name}:{{{partition.tag}}}"


def checkpoint(service: str, partition: Partition) -> str:
    """Hash: `id` last stream id done, `fence`, `epoch`, `seen` (ms). The partition's owner."""
    return f"ck:{{{partition.tag}}}:{service}"


def lease(service: str, partition: Partition) -> str:
    """String with expiry: `instance:fence` of the owner."""
    return f"own:{{{partition.tag}}}:{service}"


def timers(service: str, partition: Partition) -> str:
    """Sorted set: what is due, by ms since the epoch. The partition's owner."""
    return f"z:{{{partition.tag}}}:{service}:due"


def parked(service: str, partition: Partition) -> str:
    """Stream, bounded: input that could not be processed. The partition's owner."""
    return f"dead:{{{partition.tag}}}:{service}"


def instances(service: str) -> str:
    """Sorted set: live instances of a service by the ms (Redis time) at which they expire."""
    return f"reg:{{{service}}}"


def collectors(partition: Partition) -> str:
    """Hash: collector -> ms of its last sign of life. Presence."""
    return f"col:{{{partition.tag}}}"


def visitors(partition: Partition, site: str) -> str:
    """Hash: visitor -> packed row and state, of the visitors on the site now. Presence."""
    return f"v:{{{partition.tag}}}:{site}"


def site_meta(partition: Partition, site: str) -> str:
    """Hash: `seq` of the presence part, `number` last visitor number given, counters. Presence."""
    return f"m:{{{partition.tag}}}:{site}"


def profile(partition: Partition, site: str, visitor: str) -> str:
    """String with retention: what is kept of a visitor who left. Presence."""
    return f"p:{{{partition.tag}}}:{site}:{short_id(visitor)}"


def navigation(partition: Partition, site: str, visitor: str) -> str:
    """Hash: line number -> packed page view, of the visit now. Presence."""
    return f"n:{{{partition.tag}}}:{site}:{short_id(visitor)}"


def visit(partition: Partition, site: str, visitor: str, number: int) -> str:
    """String with retention: one finished visit, the visitor's `number`th. Presence."""
    return f"h:{{{partition.tag}}}:{site}:{short_id(visitor)}:{number}"


def site_day(partition: Partition, site: str, day: int) -> str:
    """Hash: counts of one day (UTC, days since the epoch): `views`, `visits`, `visitors`. Presence."""
    return f"d:{{{partition.tag}}}:{site}:{day}"


def bots(partition: Partition, site: str, day: int) -> str:
    """Hash: crawler -> requests on one day (UTC, days since the epoch). Presence."""
    return f"b:{{{partition.tag}}}:{site}:{day}"


def engagements(partition: Partition, site: str) -> str:
    """Hash: visitor -> packed engagement. Chat-routing."""
    return f"g:{{{partition.tag}}}:{site}"


def engaged(partition: Partition, site: str) -> str:
    """Hash: visitor -> packed state of an engagement that holds or awaits an operator. Chat-routing."""
    return f"ea:{{{partition.tag}}}:{site}"


def unengaged(partition: Partition, site: str) -> str:
    """Hash: visitor -> packed state of an engagement that is over. Chat-routing."""
    return f"eo:{{{partition.tag}}}:{site}"


def engagement_meta(partition: Partition, site: str) -> str:
    """Hash: `seq` of the engagement part, `pickups` packed times by skill. Chat-routing."""
    return f"mg:{{{partition.tag}}}:{site}"


def operators(partition: Partition, site: str) -> str:
    """Hash: operator -> packed presence and load. Chat-routing."""
    return f"o:{{{partition.tag}}}:{site}"


def commit_mark(service: str, partition: Partition) -> str:
    """String: the mark of the last commit, by which an owner knows whether what it remembers is still so."""
    return f"cm:{{{partition.tag}}}:{service}"


def gateways(partition: Partition) -> str:
    """Hash: gateway -> ms of its last sign of life. Chat-routing."""
    return f"gw:{{{partition.tag}}}"


def gateway_operators(partition: Partition, gateway: str) -> str:
    """Hash: `site operator` -> 1, who may have a connection on that gateway. Chat-routing."""
    return f"gw:{{{partition.tag}}}:{gateway}"


def chats(partition: Partition, site: str, visitor: str) -> str:
    """Hash with retention: chat -> packed summary. Chat-routing."""
    return f"c:{{{partition.tag}}}:{site}:{visitor}"


def site_chats(partition: Partition, site: str) -> str:
    """Sorted set: the site's chats by ms of their beginning, as far as retention goes. Chat-routing."""
    return f"cs:{{{partition.tag}}}:{site}"


def visitor_side(partition: Partition, site: str, visitor: str) -> str:
    """Hash with expiry: `status` and `place` as the visitor was last told. Chat-routing."""
    return f"w:{{{partition.tag}}}:{site}:{visitor}"


def invitations(partition: Partition) -> str:
    """Hash: `site visitor` -> packed invitation that waits for the visitor's answer. Chat-routing."""
    return f"iv:{{{partition.tag}}}"


def inbox(partition: Partition, site: str) -> str:
    """Stream with retention, bounded: offline messages that nobody has dealt with yet. Chat-routing."""
    return f"ib:{{{partition.tag}}}:{site}"


def older_answers(partition: Partition, site: str, visitor: str) -> str:
    """Hash with expiry: digest of sender and id of a command -> packed answer. Chat-routing."""
    return f"an:{{{partition.tag}}}:{site}:{visitor}"


def trigger_history(partition: Partition, site: str, visitor: str) -> str:
    """String with retention: packed, how often and when last each trigger invited the visitor. Chat-routing."""
    return f"tr:{{{partition.tag}}}:{site}:{visitor}"


def trigger_waiting(partition: Partition, site: str) -> str:
    """Sorted set with expiry, bounded: visitor by ms whom a trigger fits while nobody is free. Chat-routing."""
    return f"tw:{{{partition.tag}}}:{site}"


def notifications(partition: Partition) -> str:
    """Stream with a consumer group, bounded: mails and webhooks that are to be sent. Chat-routing."""
    return f"nq:{{{partition.tag}}}"


def dead_notifications(partition: Partition) -> str:
    """Stream, bounded, with expiry: what could not be sent, without its text. Chat-routing."""
    return f"nd:{{{partition.tag}}}"


def desk(partition: Partition, site: str, operator: str) -> str:
    """Hash: visitor -> packed desk line, what the operator has to do with that visitor. Chat-routing."""
    return f"dk:{{{partition.tag}}}:{site}:{operator}"


def bans(partition: Partition, site: str) -> str:
    """Hash: visitor -> packed ban, also for a while after its end. Chat-routing."""
    return f"bn:{{{partition.tag}}}:{site}"


def inbox_done(partition: Partition, site: str) -> str:
    """Stream with retention, bounded: offline messages that somebody has dealt with. Chat-routing."""
    return f"ibd:{{{partition.tag}}}:{site}"


def canned(partition: Partition, site: str) -> str:
    """Hash: reply -> packed canned reply. Gateways."""
    return f"cr:{{{partition.tag}}}:{site}"


def reads(partition: Partition, chat: str) -> str:
    """Sorted set: who has read the chat (`v` for the visitor, else an operator) up to which seq. Chat-routing."""
    return f"rd:{{{partition.tag}}}:{chat}"


def transcript(partition: Partition, chat: str) -> str:
    """Stream: the chat's events by seq. Chat-routing."""
    return f"t:{{{partition.tag}}}:{chat}"


# --- the directory: sites, operators and their logins; small, so it lives under one tag ---------------------------

_DIRECTORY = "{dir}"
DIRECTORY_HEAD = f"{_DIRECTORY}:head"  # hash: `seq` number of changes so far, `mark` random name of the last one
DIRECTORY_CHANGES = f"{_DIRECTORY}:changes"  # stream, bounded: what changed, in order
DIRECTORY_SITES = f"{_DIRECTORY}:sites"  # hash: site -> version, record
DIRECTORY_OPERATORS = f"{_DIRECTORY}:operators"  # hash: operator -> version, record
DIRECTORY_EMAILS = f"{_DIRECTORY}:emails"  # hash: case-folded e-mail -> operator
DIRECTORY_SECRETS = f"{_DIRECTORY}:secrets"  # hash: operator -> password hash; gateways only


def session(session: str) -> str:
    """Hash with expiry: a login, by the hash of its token. Gateways."""
    return f"{_DIRECTORY}:s:{session}"


def operator_sessions(operator: str) -> str:
    """Sorted set with expiry: the operator's logins by ms of creation. Gateways."""
    return f"{_DIRECTORY}:so:{operator}"


def socket_ticket(ticket: str) -> str:
    """String with expiry: ticket's hash -> login. Gateways."""
    return f"{_DIRECTORY}:k:{ticket}"


def login_failures(kind: str, bucket: int) -> str:
    """Hash with expiry: failed logins of an account, an address or a pair of them. Gateways."""
    return f"{_DIRECTORY}:lf:{kind}:{bucket}"
