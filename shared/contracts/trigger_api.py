"""Bodies and answers of the HTTP API about triggers. Strict like :mod:`shared.contracts.control`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.control import Label, patch_of
from shared.contracts.desk_api import ConditionBody, RuleId
from shared.contracts.ids import SkillId
from shared.contracts.sites import Trigger, TriggerMs


class TriggerBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trigger invites by itself when all that is set holds; see :class:`shared.contracts.sites.Trigger`.

    Without `trigger` an id is made; a patch cannot change it. Without `skill` it is the visitor's by the site's rules.
    """

    name: Label
    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    trigger: RuleId | None = None
    skill: SkillId | None = None
    enabled: bool = True
    on_page_ms: TriggerMs | None = None
    on_site_ms: TriggerMs | None = None
    pages: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    idle_ms: TriggerMs | None = None
    returning: bool | None = None
    conditions: Annotated[tuple[ConditionBody, ...], Meta(max_length=10)] = ()
    cap: Annotated[int, Meta(ge=1, le=100)] = 1
    cooldown_ms: Annotated[int, Meta(ge=0, le=90 * 24 * 3_600_000)] = 10 * 60_000


TriggerPatch = patch_of(TriggerBody)


class TriggerList(Struct, frozen=True):
    """The site's triggers in the order in which they are tried. `version` is the site's."""

    items: tuple[Trigger, ...]
    version: int
