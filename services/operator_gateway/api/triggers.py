"""A site's triggers: part of its record, so presence and chat-routing know them as soon as they are stored."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict, replace

from services.operator_gateway import accounts
from services.operator_gateway.accounts import Rejected
from services.operator_gateway.api.routing import Call
from shared.contracts.sites import Condition, Site, Trigger
from shared.contracts.trigger_api import TriggerBody, TriggerList


async def list_triggers(call: Call) -> TriggerList:
    """The triggers in the order in which they are tried."""
    return TriggerList(call.site.triggers, call.site.version)


async def add_trigger(call: Call) -> Trigger:
    """One trigger more, tried after the others."""
    body: TriggerBody = call.body
    values = _values(asdict(body))
    values["trigger"] = body.trigger or secrets.token_hex(6)
    trigger = Trigger(**values)
    await _store(call, lambda site: accounts.add_trigger(site, trigger))
    return trigger


async def change_trigger(call: Call) -> Trigger:
    """Change what the body names; what the trigger has done to visitors so far still counts."""
    values = _values({name: value for name, value in asdict(call.body).items() if value is not UNSET})
    values.pop("trigger", None)
    name = call.request.match_info["trigger"]
    site = await _store(call, lambda site: accounts.change_trigger(site, name, lambda old: replace(old, **values)))
    return next(one for one in site.triggers if one.trigger == name)


async def remove_trigger(call: Call) -> None:
    """One trigger less. Invitations that it made go on."""
    name = call.request.match_info["trigger"]
    await _store(call, lambda site: accounts.remove_trigger(site, name))


async def _store(call: Call, change: Callable[[Site], Site | Rejected]) -> Site:
    return await call.stored(await call.context.store.update_site(call.site.site, change, call.expected))


def _values(said: dict[str, Any]) -> dict[str, Any]:
    if "conditions" in said:
        said["conditions"] = tuple(Condition(**asdict(one)) for one in said["conditions"])
    if "skill" in said:
        said["skill"] = said["skill"] or ""
    return said
