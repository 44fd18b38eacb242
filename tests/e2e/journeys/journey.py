"""Two operators and their visitors in real Chromium, on all services: what each of them sees, and what each clicks.

A journey does every step by mouse or keyboard and asserts every status where people see it: in the rows of both
consoles, on the toolbars under them, and in the visitor's widget. Read :func:`seen`, then :class:`World`. Only
what an administrator does beforehand (colleagues, skills, settings, canned replies) goes over the HTTP API.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.e2e.website import Website, website
from tests.e2e.widget_bench import OPEN_SHADOW
from tests.eventually import eventually
from tests.stack import EMAIL, PASSWORD, Stack

SOON_MS = 30_000  # a hopeless case on a loaded machine, not a measurement
ORIGIN = "http://localhost"
WIDGET = {"launcher": True, "sound": True}
STATUSES = {
    "navigating": "Navigating",
    "invited": "Invited",
    "accepted": "Accepted",
    "chat_denied": "Chat denied",
    "requested": "Requested",
    "chatting": "Chatting",
    "conference": "Conference",
    "forwarded": "Forwarded",
    "kicked": "Kicked",
    "chat_end": "Chat end",
    "redirected": "Redirected",
}
# Counts the notes that the console plays: nobody listens to the machine that runs this.
NOTES = """{ window.notes = 0; const real = AudioContext.prototype.createOscillator;
AudioContext.prototype.createOscillator = function () { window.notes += 1; return real.call(this); }; }"""

Part = (
    str  # owner, guest (of a conference), other (an operator without a part in it), supervisor (the same with rights)
)
_FREE = {"Navigation", "Invite"}
# What may be done with a visitor who is here for the first time, by status and by what the operator has to do with it.
# Written from SPEC, section 3, apart from the console's own table.
MAY: dict[str, dict[Part, set[str]]] = {
    "navigating": {"other": _FREE, "supervisor": _FREE},
    "invited": {"owner": {"Navigation", "Withdraw"}, "other": {"Navigation"}, "supervisor": {"Navigation", "Withdraw"}},
    "accepted": {"owner": {"Navigation", "Chat"}, "other": {"Navigation"}, "supervisor": {"Navigation"}},
    "chat_denied": {"other": _FREE, "supervisor": _FREE},
    "requested": {"other": {"Navigation", "Chat", "Redirect"}, "supervisor": {"Navigation", "Chat", "Redirect"}},
    "chatting": {
        "owner": {"Navigation", "Chat", "Forward", "Conference", "Kick", "End"},
        "other": {"Navigation"},
        "supervisor": {"Navigation", "Join", "Kick"},
    },
    "conference": {
        "owner": {"Navigation", "Chat", "Conference", "Kick", "End"},
        "guest": {"Navigation", "Chat", "Leave"},
        "other": {"Navigation"},
        "supervisor": {"Navigation", "Chat", "Kick", "Leave"},
    },
    "forwarded": {
        "owner": {"Navigation", "Chat", "Withdraw", "Kick", "End"},
        "other": {"Navigation"},
        "supervisor": {"Navigation", "Kick"},
    },
    "kicked": {"other": _FREE, "supervisor": _FREE},
    "chat_end": {"other": _FREE, "supervisor": _FREE},
    "redirected": {"other": _FREE, "supervisor": _FREE},
}


@dataclass
class Console:
    """An operator's browser."""

    page: Page
    name: str
    email: str
    supervisor: bool

    def row(self, visitor: str) -> Locator:
        """The visitor's row of the list, as assistive technology finds it."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_text(visitor, exact=True))

    async def shows(self, visitor: str, status: str) -> None:
        """The list says so."""
        await expect(self.row(visitor).locator(".cell-status .pill")).to_have_text(STATUSES[status])

    async def select(self, visitor: str) -> None:
        """Choose the visitor in the list."""
        await self.row(visitor).click()
        await expect(self.page.locator(".toolbar .subject-name")).to_have_text(visitor)

    def tool(self, name: str) -> Locator:
        """A button of the toolbar under the list."""
        return self.page.get_by_role("toolbar").get_by_role("button", name=name, exact=True)

    async def act(self, visitor: str, name: str) -> None:
        """Choose the visitor, then the button."""
        await self.select(visitor)
        await self.tool(name).click()

    async def may(self, actions: set[str]) -> None:
        """These buttons can be used, and the others are off; the first of them says why to who comes to it."""
        enabled = self.page.locator(".toolbar .tool[aria-disabled=false]")

        async def only_these() -> bool:
            found = set(await enabled.evaluate_all("all => all.map(one => one.ariaLabel)"))
            assert found == actions, f"{self.name} may {found}"
            return True

        await eventually(only_these, within_s=SOON_MS / 1000)
        off = self.page.locator(".toolbar .tool[aria-disabled=true]").first
        await off.focus()
        await expect(self.page.get_by_role("tooltip")).to_contain_text(f"{await off.get_attribute('aria-label')}: ")
        await self.page.get_by_role("grid", name="Visitors").focus()

    @property
    def log(self) -> Locator:
        """What was said in the chat in front."""
        return self.page.get_by_role("log", name="Conversation")

    @property
    def offer(self) -> Locator:
        """What the operator is asked."""
        return self.page.get_by_role("region", name="Offers to you").locator("article")

    @property
    def waiting(self) -> Locator:
        """Who waits for somebody to take them."""
        return self.page.get_by_role("region", name="Waiting").get_by_role("listitem")

    @property
    def dialog(self) -> Locator:
        """The open dialog."""
        return self.page.get_by_role("dialog")

    async def pick(self, target: str) -> None:
        """Choose a colleague or a skill in the open dialog."""
        option = self.dialog.locator("option", has_text=target)
        await expect(option).to_have_count(1)
        await self.dialog.get_by_label("To").select_option(value=await option.get_attribute("value"))

    async def open_chat(self, visitor: str) -> None:
        """Bring the visitor's chat to the front."""
        await self.page.get_by_role("tablist", name="Chats").get_by_role("tab", name=visitor).last.click()
        await expect(self.page.get_by_role("tabpanel", name=visitor)).to_be_visible()

    async def write(self, text: str) -> None:
        """Send one message in the chat in front."""
        box = self.page.get_by_label("Message", exact=True)
        await box.fill(text)
        await box.press("Enter")

    async def panel(self, name: str) -> None:
        """Show one of the side panels."""
        await self.page.locator(".side-tabs").get_by_role("tab", name=re.compile(f"^{name}")).click()

    async def go(self, state: str) -> None:
        """Switch the own state, unless it is that one."""
        switch = self.page.get_by_role("switch")
        if await switch.inner_text() != state:
            await switch.click()
        await expect(switch).to_have_text(state)


@dataclass
class Guest:
    """A visitor's browser. `name` is how operators see the visitor."""

    page: Page
    name: str

    async def opens(self) -> None:
        """Open the chat."""
        await self.page.get_by_role("button", name="Open chat").click()
        await expect(self.page.locator(".panel")).to_be_visible()

    async def asks(self, name: str, question: str = "") -> None:
        """Fill in the form and ask for a chat."""
        await self.opens()
        await self.page.get_by_label("Name").fill(name)
        if question:
            await self.page.get_by_label("Your question").fill(question)
        await self.page.get_by_role("button", name="Start chat").click()
        self.name = name

    async def says_yes(self, name: str) -> None:
        """Accept the invitation, and give a name."""
        await self.page.locator(".card").get_by_role("button", name="Start chat").click()
        await self.page.get_by_label("Name").fill(name)
        await self.page.get_by_role("button", name="Start chat").click()
        self.name = name

    async def write(self, text: str) -> None:
        """Send one message."""
        box = self.page.locator(".composer textarea")
        await box.fill(text)
        await box.press("Enter")

    async def ends(self) -> None:
        """End the chat, and say so once more."""
        await self.page.get_by_role("button", name="End chat").first.click()
        await self.page.get_by_role("group", name="End chat").get_by_role("button", name="End chat").click()

    @property
    def log(self) -> Locator:
        """What was said."""
        return self.page.get_by_role("log")

    async def shows(self, status: str, *names: str) -> None:
        """The widget says so; `names` are the operators it must name."""
        await expect(self._sign(status)).to_be_visible()
        for name in names:
            await expect(self.page.locator("header h1")).to_contain_text(name)

    def _sign(self, status: str) -> Locator:
        page = self.page
        match status:
            case "navigating" | "chat_denied":
                return page.locator(".launcher:visible").or_(page.get_by_role("heading", name="Hello! How can we help"))
            case "invited":
                return page.get_by_role("status").get_by_text("invites you to a chat")
            case "accepted":
                return page.get_by_text("is joining…")
            case "requested":
                return page.get_by_text(re.compile("^You are number [0-9]+ in the queue"))
            case "chatting" | "conference":
                return page.locator(".composer textarea")
            case "forwarded":
                return self.log.get_by_text("is handing you over").last
            case "kicked":
                return page.get_by_role("heading", name="The operator has closed this chat.")
            case "chat_end":
                return page.get_by_role("heading", name="The chat has ended.")
            case "redirected":
                return page.get_by_role("heading", name="Nobody can answer right now")
        raise AssertionError(status)


@dataclass
class Installation:
    """All services, and a browser for everybody."""

    stack: Stack
    browser: Browser

    async def call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """The HTTP API, by the administrator."""
        async with aiohttp.ClientSession() as session:
            api = f"{self.stack.gateway}/api/v1"
            async with session.post(f"{api}/session", json={"email": EMAIL, "password": PASSWORD}) as answer:
                headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
            async with session.request(method, f"{api}{path}", json=body, headers=headers) as answer:
                assert answer.status in (200, 201), await answer.text()
                return await answer.json()

    async def told(self, site: str, *, online: bool) -> None:
        """Wait until pages of the site are told that somebody is there, or nobody."""

        async def answers() -> bool:
            url = f"{self.stack.collector}/v1/site?key={site}"
            async with aiohttp.ClientSession() as session, session.get(url, headers={"Origin": ORIGIN}) as answer:
                return answer.status == 200 and (await answer.json()).get("online") is online

        await eventually(answers, within_s=SOON_MS / 1000, every_s=0.2)


@dataclass
class World:
    """One site and its people: Ada is a supervisor, Grace an operator; both have both skills."""

    installation: Installation
    site: str
    shop: Website
    consoles: list[Console] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)
    visitors: int = 0

    @property
    def browser(self) -> Browser:
        """Where all of them live, each in a context."""
        return self.installation.browser

    @property
    def ada(self) -> Console:
        """The supervisor."""
        return self.consoles[0]

    @property
    def grace(self) -> Console:
        """The operator."""
        return self.consoles[1]

    async def guest(self, path: str = "/") -> Guest:
        """A new visitor, whom both operators see navigating."""
        guest = await self.visit(path)
        await seen(self, guest, "navigating")
        return guest

    async def visit(self, path: str = "/") -> Guest:
        """A new visitor."""
        page = await self._opened(await self.browser.new_context(), OPEN_SHADOW)
        await page.goto(self.shop.origin + path)
        self.visitors += 1
        return Guest(page, f"Visitor {self.visitors}")

    async def _opened(self, context: BrowserContext, script: str) -> Page:
        self.contexts.append(context)
        await context.add_init_script(script)
        page = await context.new_page()
        page.set_default_timeout(SOON_MS)
        return page

    async def sign_in(self, email: str, name: str) -> Console:
        """An operator's browser with the chats open."""
        looks: Any = {"viewport": {"width": 1600, "height": 900}, "reduced_motion": "reduce"}
        page = await self._opened(await self.browser.new_context(**looks), NOTES)
        await page.goto(self.installation.stack.gateway)
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="Chats", exact=True).click()
        return Console(page, name, email, supervisor=name == "Ada")


async def seen(
    world: World, guest: Guest, status: str, *, owner: Console | None = None, member: Console | None = None
) -> None:
    """Everybody sees the status: both lists, what both toolbars allow, and the widget. `member`: of a conference."""
    for console in world.consoles:
        await console.shows(guest.name, status)
        await console.select(guest.name)
        part = "supervisor" if console.supervisor else "guest" if console is member else "other"
        await console.may(MAY[status]["owner" if console is owner else part])
    names = [one.name for one in (owner, member) if one is not None]
    await guest.shows(status, *(names if status in ("chatting", "conference") else ()))


async def staffed(world: World) -> None:
    """Both operators see each other online: so does whoever finds somebody for a visitor."""
    for console in world.consoles:
        await expect(console.page.get_by_role("button", name="Colleagues: 1")).to_be_visible()


async def in_chat(world: World, guest: Guest, name: str, owner: Console, question: str = "Is it waterproof?") -> None:
    """The visitor asks, and the operator takes it."""
    await guest.asks(name, question)
    await owner.waiting.filter(has_text=name).get_by_role("button", name="Accept").click()
    await seen(world, guest, "chatting", owner=owner)
    await owner.open_chat(name)


@asynccontextmanager
async def world(
    installation: Installation, *, widget: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[World]:
    """A site with a website that embeds the widget, and both operators at work."""
    expect.set_options(timeout=SOON_MS)
    async with website("localhost") as shop:
        settings["widget"] = {**WIDGET, **(widget or {})}
        made = await installation.call(
            "POST", "/sites", {"name": "Shop", "origins": [shop.origin, ORIGIN], "settings": settings}
        )
        site = made["site"]
        shop.install(installation.stack.collector, site)
        await installation.call("POST", f"/sites/{site}/skills", {"skill": "billing", "name": "Billing"})
        world = World(installation, site, shop)
        for name, role in (("Ada", "supervisor"), ("Grace", "operator")):
            email = f"{name.lower()}@{site.replace('_', '-')}.example"
            person = {"email": email, "name": name, "password": PASSWORD, "role": role, "max_chats": 20}
            skills = {"primary_skill": "general", "secondary_skills": ["billing"]}
            await installation.call("POST", f"/sites/{site}/operators", {**person, **skills})
            world.consoles.append(await world.sign_in(email, name))
        await staffed(world)
        await installation.told(site, online=True)
        try:
            yield world
        finally:
            for context in world.contexts:
                await context.close()
