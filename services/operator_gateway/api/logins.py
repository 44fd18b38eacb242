"""Logging in and out, and what operators see and change of themselves."""

from __future__ import annotations

from msgspec.structs import replace

from services.operator_gateway import accounts
from services.operator_gateway.api.problems import Refusal
from services.operator_gateway.api.routing import Call, Reply
from services.operator_gateway.passwords import PasswordsBusy
from shared.contracts.control import Account, LoginAnswer, LoginBody, Me, MePatch, MySite, PasswordChange
from shared.contracts.sites import Operator
from shared.storage.sessions import NewLogin


async def log_in(call: Call) -> Reply:
    """A new login. What an unknown address, a wrong password and a disabled account get is the same, as late."""
    body: LoginBody = call.body
    operator = await _authenticated(call, body.email, body.password)
    if operator is None or operator.disabled:
        raise Refusal("invalid_login")
    await call.context.lockout.succeeded(body.email, call.context.client_address(call.request))
    before = call.login.session.session if call.login and call.login.operator.operator == operator.operator else ""
    return _logged_in(call, operator, await call.context.sessions.create(operator, replaces=before))


async def log_out(call: Call) -> Reply:
    """End this login."""
    session = call.signed_in.session
    await call.context.sessions.end(session.session, session.operator)
    return Reply(login="")


async def log_out_everywhere(call: Call) -> Reply:
    """End every login of the operator, this one included."""
    await call.stored(await call.context.store.update_operator(call.actor.operator, accounts.logged_out))
    return Reply(login="")


async def me(call: Call) -> Me:
    """Who is logged in, where and as what."""
    context, login = call.context, call.signed_in
    mine = []
    for member in login.operator.memberships:
        site = context.directory.site(member.site)
        if site is None or site.disabled:
            continue
        mine.append(
            MySite(
                site=site.site,
                name=site.name,
                role=member.role,
                skills=site.skills,
                default_skill=site.default_skill,
                primary_skill=member.primary_skill,
                secondary_skills=member.secondary_skills,
                max_chats=member.max_chats,
            )
        )
    return Me(
        operator=_account(login.operator),
        sites=tuple(mine),
        csrf=login.session.csrf,
        expires_at=login.session.expires_at,
        collector_url=context.collector_url,
        token=await context.sessions.ticket(login.session.session) if call.by_cookie else None,
        geoip=context.geoip,
    )


async def change_me(call: Call) -> Account:
    """Another name for oneself."""
    body: MePatch = call.body
    changed = await call.context.store.update_operator(call.actor.operator, lambda o: replace(o, name=body.name))
    return _account(await call.stored(changed))


async def change_my_password(call: Call) -> Reply:
    """Another password of one's own. A thief of an open page does not know the present one."""
    body: PasswordChange = call.body
    context, email = call.context, call.actor.email
    operator = await _authenticated(call, email, body.password)
    if operator is None:
        raise Refusal("wrong_password")
    await context.lockout.succeeded(email, context.client_address(call.request))
    secret = await context.passwords.hash(body.new_password)
    changed = await context.store.update_operator(operator.operator, accounts.logged_out, secret=secret)
    stored = await call.stored(changed)
    return _logged_in(call, stored, await context.sessions.create(stored))


async def _authenticated(call: Call, email: str, password: str) -> Operator | None:
    """The account, if the password is its own. Raises Refusal when there were too many attempts."""
    context, address = call.context, call.context.client_address(call.request)
    wait_ms = await context.lockout.attempt(email, address)
    if wait_ms:
        raise Refusal("locked_out", retry_after_s=-(-wait_ms // 1000))
    operator, secret = await context.store.credentials(email)
    try:
        right = await context.passwords.verify(secret, password)
        if not right or operator is None:
            return None
        if context.passwords.is_outdated(secret):
            stronger = await context.passwords.hash(password)
            await context.store.update_operator(operator.operator, lambda o: o, operator.version, stronger)
    except PasswordsBusy:
        await context.lockout.withdraw(email, address)
        raise
    return operator


def _logged_in(call: Call, operator: Operator, login: NewLogin) -> Reply:
    session = login.session
    answer = LoginAnswer(login.token, session.expires_at, _account(operator), session.csrf)
    cookie_s = (session.absolute_expires_at - call.context.clock.now_ms()) // 1000
    return Reply(answer, login=login.token, cookie_s=cookie_s)


def _account(operator: Operator) -> Account:
    return Account(operator.operator, operator.name, operator.email, operator.owner)
