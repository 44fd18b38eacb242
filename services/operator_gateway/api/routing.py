"""What a route is: method, path, who may use it, what it takes and gives.

A rule has no default: a route that does not say who may use it cannot be written down. Read :class:`Route` first.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from aiohttp import web
from msgspec import Struct

from services.operator_gateway import accounts
from services.operator_gateway.accounts import Rejected
from services.operator_gateway.api.context import ApiContext
from services.operator_gateway.api.problems import Refusal, of_refused, of_rejected
from shared.contracts.sites import Operator, Role, Site
from shared.storage.directory_store import Refused, Written
from shared.storage.sessions import SignedIn

R = TypeVar("R", Site, Operator)


@dataclass(frozen=True)
class Anyone:
    """No login needed."""


@dataclass(frozen=True)
class LoggedIn:
    """Any operator with a login."""


@dataclass(frozen=True)
class OwnerOnly:
    """Owners of the installation."""


@dataclass(frozen=True)
class OnSite:
    """Operators with at least this role on the site in the path; to those without any role it does not exist."""

    least: Role


Rule = Anyone | LoggedIn | OwnerOnly | OnSite


@dataclass(frozen=True)
class File:
    """An answer that is not JSON, to be kept under `name`."""

    content: bytes
    media: str
    name: str


@dataclass(frozen=True)
class Reply:
    """An answer that needs more than a body. `login` sets the cookie to this token, an empty one clears it."""

    value: Struct | None = None
    file: File | None = None
    login: str | None = None
    cookie_s: int = 0


@dataclass(frozen=True)
class Call:
    """One request whose sender, rights and body have been looked at.

    `site` is the site in the path; `expected` the version in If-Match; `by_cookie` tells browsers from programs.
    """

    context: ApiContext
    request: web.Request
    body: Any
    query: Any
    login: SignedIn | None
    site_: Site | None
    expected: int | None
    by_cookie: bool

    @property
    def actor(self) -> Operator:
        """Who asks. Only behind a rule that asks for a login."""
        return self.signed_in.operator

    @property
    def signed_in(self) -> SignedIn:
        """The login. Only behind a rule that asks for one."""
        if self.login is None:
            raise Refusal("unauthorized")
        return self.login

    @property
    def site(self) -> Site:
        """The site in the path. Only behind OnSite."""
        if self.site_ is None:
            raise Refusal("not_found")
        return self.site_

    async def stored(self, result: Written[R] | Refused | Rejected | Refusal) -> R:
        """The record as written, once this gateway's replica has it too. Raises Refusal."""
        match result:
            case Written(record, seq):
                await self.context.directory.wait_until_seen(seq)
                return record
            case Refused():
                raise of_refused(result, self.expected)
            case Rejected():
                raise of_rejected(result)
            case _:
                raise result


class Handler(Protocol):
    """A coroutine function that answers a call; its name is the operation's."""

    __name__: str

    def __call__(self, call: Call, /) -> Awaitable[Struct | Reply | None]:
        """Answer or raise Refusal."""
        ...


@dataclass(frozen=True)
class Route:
    """One operation. `codes` are the refusals that it may answer besides those that its shape implies.

    `files`: the media types that it has besides JSON.
    """

    method: str
    path: str
    rule: Rule
    handle: Handler
    summary: str
    tag: str
    body: type[Struct] | None = None
    body_optional: bool = False
    query: type[Struct] | None = None
    answer: type[Struct] | None = None
    files: tuple[str, ...] = ()
    status: int = 200
    versioned: bool = False
    codes: tuple[str, ...] = ()

    @property
    def operation(self) -> str:
        """Its name in the document, in metrics and in logs."""
        return self.handle.__name__

    @property
    def changes(self) -> bool:
        """Whether it changes anything, so that a cookie alone is not enough."""
        return self.method not in ("GET", "HEAD")


def admit(rule: Rule, actor: Operator | None, site: Site | None) -> None:
    """Let the actor through or raise Refusal: unauthorized, not_found (invisible) or forbidden."""
    if isinstance(rule, Anyone):
        return
    if actor is None:
        raise Refusal("unauthorized", headers={"WWW-Authenticate": "Bearer"})
    match rule:
        case LoggedIn():
            return
        case OwnerOnly():
            allowed = actor.owner
        case OnSite(least):
            role = None if site is None else accounts.role_on(actor, site.site)
            if role is None:
                raise Refusal("not_found")
            allowed = accounts.includes(role, least)
    if not allowed:
        raise Refusal("forbidden")
