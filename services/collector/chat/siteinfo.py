"""`GET /v1/site`: what a page may know of its site, and whether somebody is there. Read :meth:`PublicSites.of`.

Who is online stands in Redis as chat-routing last told it. It is read for a site at most every few seconds, however
many pages ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from msgspec import UNSET, Struct, UnsetType

from shared.contracts.sites import Asked, Operator, Site, WidgetSettings
from shared.contracts.streams import StoredOperatorTold
from shared.storage.faults import Unavailable
from shared.storage.visitor_sides import VisitorSides

FRESH_S = 3.0
MAX_SITES = 10_000  # remembered at once; then all are forgotten and read again
DEADLINE_S = 1.0


class SkillChoice(Struct, frozen=True):
    """A skill that the visitor may choose. `online`: somebody with it is there; left out while nobody knows."""

    skill: str
    name: str
    online: bool | UnsetType = UNSET


class Form(Struct, frozen=True):
    """What is asked before a chat."""

    name: Asked
    email: Asked
    question: Asked
    skills: tuple[SkillChoice, ...] = ()


class Theme(Struct, frozen=True):
    """How the widget looks."""

    color: str
    mode: str
    side: str


class PublicSite(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a page may know of its site. `online`: somebody serves the default skill; left out while nobody knows.

    `transcript`: the visitor may ask for it by mail. `key` and `consent` say the same as `site` and `consent_required`.
    """

    site: str
    key: str
    consent: bool
    consent_required: bool
    launcher: bool
    theme: Theme
    texts: dict[str, str]
    form: Form
    preview: bool
    sound: bool
    rating: bool
    transcript: bool = False
    online: bool | UnsetType = UNSET
    language: str = ""
    languages: tuple[str, ...] = ()


class Operators(Protocol):
    """The directory's operators."""

    def operator(self, operator: str, /) -> Operator | None:
        """The operator of this id."""
        ...


class PublicSites:
    """Public settings of sites."""

    def __init__(self, sides: VisitorSides, operators: Operators) -> None:
        self._sides = sides
        self._operators = operators
        self._known: dict[str, tuple[float, frozenset[str] | None]] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    async def of(self, site: Site) -> PublicSite:
        """The site's settings and who is online now (of some seconds ago at most)."""
        online = await self._online(site.site)
        widget = site.settings.widget
        return PublicSite(
            site=site.site,
            key=site.site,
            consent=site.settings.consent_required,
            consent_required=site.settings.consent_required,
            launcher=widget.launcher,
            theme=Theme(widget.color, widget.mode, widget.side),
            texts=widget.texts,
            form=Form(widget.name, widget.email, widget.question, _choices(site, widget, online)),
            preview=widget.preview,
            sound=widget.sound,
            rating=widget.rating,
            transcript=site.settings.visitor_transcript != "off",
            online=UNSET if online is None else site.default_skill in online,
            language=widget.language,
        )

    async def _online(self, site: str) -> frozenset[str] | None:
        """The skills that somebody online serves; None while nobody knows."""
        known = self._known.get(site)
        if known is not None and asyncio.get_running_loop().time() - known[0] < FRESH_S:
            return known[1]
        reading = self._reading.get(site)
        if reading is None:
            reading = self._reading[site] = asyncio.create_task(self._read(site))
            reading.add_done_callback(lambda _: self._reading.pop(site, None))
        await asyncio.shield(reading)
        return self._known[site][1] if site in self._known else None

    async def _read(self, site: str) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                told = await self._sides.operators(site)
        except (TimeoutError, Unavailable):
            skills = None
        else:
            skills = frozenset(self._skills(site, told))
        if len(self._known) >= MAX_SITES:
            self._known.clear()
        self._known[site] = (asyncio.get_running_loop().time(), skills)

    def _skills(self, site: str, told: Iterable[StoredOperatorTold]) -> set[str]:
        skills: set[str] = set()
        for one in told:
            account = self._operators.operator(one.told.operator) if one.told.state == "online" else None
            membership = account.membership(site) if account is not None and not account.disabled else None
            if membership is not None:
                skills |= {membership.primary_skill, *membership.secondary_skills}
        return skills


def _choices(site: Site, widget: WidgetSettings, online: frozenset[str] | None) -> tuple[SkillChoice, ...]:
    if not widget.choose_skill:
        return ()
    return tuple(
        SkillChoice(skill.skill, skill.name, UNSET if online is None else skill.skill in online)
        for skill in site.skills
    )
