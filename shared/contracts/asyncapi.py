"""AsyncAPI documents of what does not go over plain HTTP, made from the types themselves.

`python -m shared.contracts operators` (or `streams`, `visitors`) prints the one that `docs/protocol/` keeps; a test
compares them. Read :func:`operators_document`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from msgspec import Struct

from shared.contracts.operators import ANSWERS, REQUESTS, SERVER_EVENTS, Auth, Failed
from shared.contracts.streams import ChatOutcomes, CmdEntry, InEntry, LogEntry
from shared.contracts.tracking import Event, Hello, LiveClose, LiveError, LiveEvents, LiveOk
from shared.contracts.visitor_chat import VisitorFrame, VisitorMessage

VERSION = "1"
REF = "#/components/schemas/{name}"
# Put in when a frame is made, so that the type has a default for it; on the wire it is always there.
ALWAYS_THERE = {"ViewDelta": "view", "ViewCheck": "view"}

Document = dict[str, Any]


def _text(kind: type[Struct]) -> str:
    return inspect.getdoc(kind) or ""


def _schemas(kinds: list[Any]) -> tuple[dict[Any, Any], Document]:
    found, components = msgspec.json.schema_components(kinds, ref_template=REF)
    for name, field in ALWAYS_THERE.items():
        if name in components:
            components[name]["required"] = [*components[name].get("required", []), field]
    return dict(zip(kinds, found, strict=True)), components


def _message(name: str, kind: type[Struct], schema: Document) -> Document:
    return {"name": name, "title": kind.__name__, "summary": _text(kind).partition("\n")[0], "payload": schema}


def _ref(*path: str) -> Document:
    return {"$ref": "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in path)}


def operators_document() -> Document:
    """Socket.IO between operators and the gateway."""
    kinds = [*REQUESTS.values(), *ANSWERS.values(), *SERVER_EVENTS.values(), Failed, Auth]
    schemas, components = _schemas(list(dict.fromkeys(kinds)))
    messages: Document = {
        "auth": _message("auth", Auth, schemas[Auth]),
        "failed": _message("ack", Failed, schemas[Failed]),
    }
    operations: Document = {}
    channel = _ref("channels", "operators")

    def listed(name: str) -> Document:
        return _ref("channels", "operators", "messages", name)

    for name, kind in REQUESTS.items():
        answer = ANSWERS[name]
        messages[name] = _message(name, kind, schemas[kind])
        messages[f"{name}.ack"] = _message("ack", answer, schemas[answer])
        reply = {"channel": channel, "messages": [listed(f"{name}.ack"), listed("failed")]}
        operations[name] = {"action": "receive", "channel": channel, "messages": [listed(name)], "reply": reply}
    for name, kind in SERVER_EVENTS.items():
        messages[name] = _message(name, kind, schemas[kind])
        operations[name] = {"action": "send", "channel": channel, "messages": [listed(name)]}
    info = {
        "title": "Foyer: operators' sockets",
        "version": VERSION,
        "description": "Socket.IO (Engine.IO 4, namespace `/`) on two mounts of the same events: `/socket.io/` with "
        "the default parser (WebSocket and long-polling) and `/socket.io-msgpack/` with the msgpack parser (WebSocket "
        "only). Connect with `auth`; a refused connection is a connect error with `code`. Every client event takes one "
        "object and is acked within 2 s. Close codes 4000-4499 mean come back, 4500-4999 do not.",
    }
    listing = {name: _ref("components", "messages", name) for name in messages}
    return _document(info, {"operators": {"address": "/", "messages": listing}}, operations, messages, components)


STREAMS: Mapping[str, tuple[Any, str]] = {
    "in": (InEntry, "Visitors' events, from collectors to presence."),
    "cmd": (CmdEntry, "Commands and facts about operators' connections, from gateways and collectors to chat-routing."),
    "log": (LogEntry, "Row changes, from presence and chat-routing to gateways."),
    "chat": (ChatOutcomes, "Outcomes and chat events, from chat-routing to gateways and collectors."),
}


def streams_document() -> Document:
    """The Redis streams between the services."""
    schemas, components = _schemas([kind for kind, _ in STREAMS.values()])
    messages: Document = {}
    channels: Document = {}
    operations: Document = {}
    for name, (kind, text) in STREAMS.items():
        messages[name] = {"name": name, "summary": text, "payload": schemas[kind]}
        channels[name] = {
            "address": f"{name}:{{partition}}",
            "description": text,
            "parameters": {"partition": {"description": "the partition's hash tag, in braces"}},
            "messages": {name: _ref("components", "messages", name)},
        }
        operations[name] = {
            "action": "send",
            "channel": _ref("channels", name),
            "messages": [_ref("channels", name, "messages", name)],
        }
    info = {
        "title": "Foyer: streams between the services",
        "version": VERSION,
        "description": "Redis streams of a partition. Each entry has one field `d`: the msgpack of the object "
        "described here. Readers ignore fields that they do not know.",
    }
    return _document(info, channels, operations, messages, components)


def _document(
    info: Document, channels: Document, operations: Document, messages: Document, schemas: Document
) -> Document:
    return {
        "asyncapi": "3.0.0",
        "info": info,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def visitors_document() -> Document:
    """The visitor's live channel on the collector."""
    said = [Hello, LiveEvents, *get_args(VisitorMessage)]
    heard = [LiveOk, LiveError, LiveClose, *get_args(VisitorFrame)]
    schemas, components = _schemas([*said, *heard, Event])
    messages: Document = {}
    operations: Document = {}
    channel = _ref("channels", "live")

    def listed(name: str) -> Document:
        return _ref("channels", "live", "messages", name)

    for action, kinds in (("receive", said), ("send", heard)):
        for kind in kinds:
            tag = str(kind.__struct_config__.tag)
            name = f"{action}.{tag}"
            messages[name] = _message(tag, kind, schemas[kind])
            operations[name] = {"action": action, "channel": channel, "messages": [listed(name)]}
            if action == "receive":
                operations[name]["reply"] = {"channel": channel, "messages": [listed("send.ok"), listed("send.error")]}
    info = {
        "title": "Foyer: visitors' live channel",
        "version": VERSION,
        "description": "`GET /v1/live` of the collector: a WebSocket with JSON text frames of at most 64 KiB "
        "(`events`: 16 KiB), from a page of the site. `hello` first, within 10 s. Each message is "
        "answered within 2 s by `ok` or `error` with its `id`; what is about chats needs a `hello` "
        "with the visitor's token, or one that was just told it. After the `ok` of `hello` come "
        "`invite`, `status` and the `chat.event`s after `after`; then everything as it happens. "
        "Repeating a message with its `id` has no further effect. Close codes 4000-4499 mean come "
        "back, 4500-4999 do not.",
    }
    listing = {name: _ref("components", "messages", name) for name in messages}
    return _document(info, {"live": {"address": "/v1/live", "messages": listing}}, operations, messages, components)


DOCUMENTS = {"operators": operators_document, "streams": streams_document, "visitors": visitors_document}


def rendered(name: str) -> bytes:
    """The document as `docs/protocol/asyncapi-<name>.json` keeps it."""
    encoded = msgspec.json.encode(DOCUMENTS[name](), order="sorted")
    return msgspec.json.format(encoded, indent=2) + b"\n"
