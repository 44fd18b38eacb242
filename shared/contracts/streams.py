"""Entries of the four streams of a partition: `in`, `cmd`, `log` and `chat`.

Tolerant on purpose: new fields are optional and unknown ones ignored, so services of neighbouring versions understand
each other. `array_like` is avoided for the same reason; field names are short where millions of entries carry them.
Read the union at the end of each part for what a stream may hold.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from shared.contracts.chat import Actor, ChatCommand, ChatOutcome, EraseVisitor, OfflineMessageLeft, PresenceFacts
from shared.contracts.rows import Device
from shared.contracts.sites import Role
from shared.contracts.tracking import EventType

# --- in:{T}: collectors tell presence what browsers did -----------------------------------------------------------


class Tracked(Struct, frozen=True, omit_defaults=True, rename={"type": "t", "page": "p", "at_ms": "a"}):
    """One event, validated and cleaned. `at_ms` is the server's time of the event (never later than its arrival)."""

    type: EventType
    page: str
    n: int
    at_ms: int
    url: str = ""
    title: str | None = None
    referrer: str = ""
    engaged_ms: int = 0
    idle_ms: int | None = None
    attrs: dict[str, str] | None = None


class Client(Struct, frozen=True, omit_defaults=True):
    """What the request said about the browser; sent along with page views only."""

    country: str = ""
    lang: str = ""
    device: Device = Device()
    campaign: str = ""


class TabEvents(Struct, frozen=True, omit_defaults=True, tag="ev"):
    """Events of one tab. `anonymous`: no identifier may be kept, so no history either.

    `collector` is set when they came over a live channel: the tab then lives as long as that collector says so.
    """

    site: str
    visitor: str
    tab: str
    received_ms: int
    events: tuple[Tracked, ...]
    client: Client | None = None
    collector: str = ""
    anonymous: bool = False


class TabAttached(Struct, frozen=True, omit_defaults=True, tag="at"):
    """A live channel of this tab was opened on `collector`; `channel` tells reconnects of one tab apart."""

    site: str
    visitor: str
    tab: str
    at_ms: int
    collector: str
    channel: str


class TabDetached(Struct, frozen=True, omit_defaults=True, tag="de"):
    """The live channel closed: a sign of leaving, unless another one of that tab was opened since."""

    site: str
    visitor: str
    tab: str
    at_ms: int
    collector: str
    channel: str


class CollectorAlive(Struct, frozen=True, tag="ca"):
    """All channels attached to `collector` in this partition are alive as of `at_ms`."""

    collector: str
    at_ms: int


MAX_BOT_NAMES = 50  # of a site in an entry, and of a site and day altogether; the rest are counted as others
OTHER_BOTS = "other"


class BotsSeen(Struct, frozen=True, tag="bo"):
    """Requests of crawlers on a site since the last such entry of this collector, by name."""

    site: str
    at_ms: int
    counts: dict[str, int]


class ForgetVisitor(Struct, frozen=True, tag="fg"):
    """Erase everything about the visitor."""

    site: str
    visitor: str
    at_ms: int


class VisitorNamed(Struct, frozen=True, tag="nm"):
    """The visitor gave a name before a chat: from now on that is the nickname."""

    site: str
    visitor: str
    name: str
    at_ms: int


InEntry = VisitorNamed | TabEvents | TabAttached | TabDetached | CollectorAlive | ForgetVisitor | BotsSeen

# --- cmd:{T}: gateways and collectors ask chat-routing ------------------------------------------------------------


class OperatorConnected(Struct, frozen=True, omit_defaults=True, tag="oc"):
    """One socket of an operator is open on `gateway`."""

    site: str
    operator: str
    name: str
    connection: str
    gateway: str
    at_ms: int
    role: Role = "operator"


class OperatorDisconnected(Struct, frozen=True, tag="od"):
    """That socket closed. `logout`: on purpose, so no grace."""

    site: str
    operator: str
    connection: str
    gateway: str
    at_ms: int
    logout: bool = False


class OperatorSet(Struct, frozen=True, tag="os"):
    """The operator chose a state."""

    site: str
    operator: str
    state: Literal["online", "away"]
    at_ms: int
    id: str = ""


class GatewayAlive(Struct, frozen=True, tag="ga"):
    """All connections of `gateway` in this partition are alive as of `at_ms`."""

    gateway: str
    at_ms: int


OperatorFact = OperatorConnected | OperatorDisconnected | OperatorSet | GatewayAlive


class LookAgain(Struct, frozen=True, tag="la"):
    """The directory changed about this site (a skill, a limit, a right): share out the waiting visitors anew."""

    site: str


class CloseMessage(Struct, frozen=True, tag="cl"):
    """An operator has dealt with a message of the inbox; `message` as it was read, `id` its entry."""

    site: str
    id: str
    by: Actor
    message: OfflineMessageLeft


class SendTranscript(Struct, frozen=True, tag="ts"):
    """An operator wants this transcript to be mailed to `email`. Whether it may was checked before."""

    site: str
    visitor: str
    chat: str
    email: str


class SettleUndelivered(Struct, frozen=True, tag="us"):
    """What was given up, the `entry` of `nd:{T}`, is tried again or dropped. Whether that may be was checked before."""

    site: str
    entry: str
    retry: bool


CmdEntry = (
    OperatorFact
    | LookAgain
    | CloseMessage
    | SendTranscript
    | SettleUndelivered
    | PresenceFacts
    | EraseVisitor
    | ChatCommand
)

# --- log:{T}: row changes for the gateways ------------------------------------------------------------------------

Part = Literal["presence", "engagement"]


class RowChanged(Struct, frozen=True, omit_defaults=True, tag="ch"):
    """A part of a row changed to `version`. `seq` counts the part's changes of that site, without gaps.

    `full`: `fields` is the whole part (a row that appeared); else only the fields that changed since `version` - 1.
    """

    site: str
    seq: int
    visitor: str
    version: int
    fields: dict[str, Any]
    full: bool = False


class RowGone(Struct, frozen=True, omit_defaults=True, tag="go"):
    """The part is no longer there: presence's when the visitor left."""

    site: str
    seq: int
    visitor: str
    version: int


class LogEntry(Struct, frozen=True, omit_defaults=True, tag="lg"):
    """Everything that one commit changed, in order."""

    part: Part
    changes: tuple[RowChanged | RowGone, ...]


# --- chat:{T}: what chat-routing tells gateways and collectors ----------------------------------------------------

OperatorState = Literal["online", "away", "offline"]


class OperatorChanged(Struct, frozen=True, omit_defaults=True, tag="oh"):
    """An operator's state or load on a site. `chats`: the slots taken now, among them offers that await an answer."""

    site: str
    operator: str
    name: str
    state: OperatorState
    chats: int
    at_ms: int
    reason: str = ""


class GatewayUnknown(Struct, frozen=True, tag="gu"):
    """This gateway counts as dead, or was never heard of: it is to announce its open connections again.

    Repeated announcements are harmless. Said when a gateway was silent too long, and when one gives a sign of life
    without being known.
    """

    gateway: str
    at_ms: int


class StoredOperator(Struct, frozen=True, array_like=True):
    """A value of `o:{T}:<site>`: what others were last told, and chat-routing's own state, which nobody else reads."""

    told: OperatorChanged
    state: Raw = Raw(b"\xc0")


class StoredOperatorTold(Struct, frozen=True, array_like=True):
    """The same value as a gateway reads it: the state is skipped. Who has no value is offline."""

    told: OperatorChanged


class ChatOutcomes(Struct, frozen=True, omit_defaults=True, tag="oo"):
    """Everything that one commit of chat-routing has to say, in order."""

    outcomes: tuple[OperatorChanged | GatewayUnknown | ChatOutcome, ...]


_encoder = msgspec.msgpack.Encoder()
decode_in = msgspec.msgpack.Decoder(InEntry).decode
decode_cmd = msgspec.msgpack.Decoder(CmdEntry).decode
decode_log = msgspec.msgpack.Decoder(LogEntry).decode
decode_stored_operator = msgspec.msgpack.Decoder(StoredOperator).decode
decode_stored_operator_told = msgspec.msgpack.Decoder(StoredOperatorTold).decode
decode_chat = msgspec.msgpack.Decoder(ChatOutcomes).decode


def encode(entry: InEntry | CmdEntry | LogEntry | ChatOutcomes) -> bytes:
    """One stream entry as msgpack."""
    return _encoder.encode(entry)
