"""The operators of a site: their rights there, and their accounts.

Rights belong to the site; name, address, password and being disabled belong to the account and so to every site of it:
`accounts.may_manage_account` says who may change those.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from msgspec import UNSET
from msgspec.structs import replace

from services.operator_gateway import accounts
from services.operator_gateway.accounts import Rejected
from services.operator_gateway.api.problems import Refusal, of_rejected
from services.operator_gateway.api.routing import Call
from shared.contracts.control import (
    MEMBERSHIP_FIELDS,
    OperatorBody,
    OperatorList,
    OperatorMade,
    OperatorPatch,
    OperatorQuery,
    OperatorView,
    PasswordMade,
    PasswordReset,
)
from shared.contracts.sites import Membership, Operator, Site


async def list_operators(call: Call) -> OperatorList:
    """A page of the site's operators, by id."""
    query: OperatorQuery = call.query
    directory, site = call.context.directory, call.site.site
    ids = sorted(o.operator for o in directory.operators().values() if o.operator > query.after and o.membership(site))
    page = [_view(call, directory.operators()[ident]) for ident in islice(ids, query.limit)]
    more = len(ids) > query.limit
    return OperatorList(tuple(page), page[-1].id if more else None)


async def get_operator(call: Call) -> OperatorView:
    """One operator of the site."""
    return _view(call, _found(call))


async def create_operator(call: Call) -> OperatorMade:
    """A new account with rights on this site, or rights for an account that the caller manages already."""
    body: OperatorBody = call.body
    member = _membership(
        call.site,
        Membership(
            site=call.site.site,
            role=body.role,
            primary_skill=body.primary_skill or call.site.default_skill,
            secondary_skills=body.secondary_skills,
            max_chats=body.max_chats,
        ),
    )
    known = call.context.directory.operator_by_email(body.email)
    if known is not None and body.password is None and accounts.may_manage_account(call.actor, known):
        return await _join(call, known, member)
    password = body.password or accounts.new_password()
    new = Operator(
        operator=accounts.new_operator_id(),
        email=body.email,
        name=body.name,
        memberships=(member,),
        created_at=call.context.clock.now_ms(),
    )
    secret = await call.context.passwords.hash(password)
    made = await call.stored(await call.context.store.create_operator(new, secret))
    return OperatorMade(_view(call, made), None if body.password else password)


async def _join(call: Call, known: Operator, member: Membership) -> OperatorMade:
    def join(operator: Operator) -> Operator | Refusal | Rejected:
        if operator.membership(member.site):
            return Refusal("already_member")
        return accounts.with_membership(operator, member)

    return OperatorMade(_view(call, await call.stored(await call.context.store.update_operator(known.operator, join))))


async def change_operator(call: Call) -> OperatorView:
    """Change rights on this site and, where allowed, the account itself."""
    body: OperatorPatch = call.body
    rights = {name: value for name in MEMBERSHIP_FIELDS if (value := getattr(body, name)) is not UNSET}
    account = {name: value for name in ("name", "email") if (value := getattr(body, name)) is not UNSET}

    def change(operator: Operator) -> Operator | Refusal | Rejected:
        member = operator.membership(call.site.site)
        if member is None:
            return Refusal("not_found")
        if (account or body.disabled is not UNSET) and not accounts.may_manage_account(call.actor, operator):
            return Refusal("forbidden")
        checked = accounts.checked_membership(call.site, replace(member, **rights))
        if isinstance(checked, Rejected):
            return checked
        changed = accounts.with_membership(replace(operator, **account), checked)
        if isinstance(changed, Operator) and body.disabled is not UNSET:
            changed = accounts.set_disabled(changed, body.disabled)
        return changed

    return _view(call, await _store(call, change))


async def remove_operator(call: Call) -> None:
    """Take all rights on this site away; the account stays."""

    def leave(operator: Operator) -> Operator | Refusal:
        if operator.membership(call.site.site) is None:
            return Refusal("not_found")
        return accounts.without_membership(operator, call.site.site)

    await _store(call, leave)


async def reset_password(call: Call) -> PasswordMade:
    """Another password; every login of the operator ends."""
    body: PasswordReset = call.body
    _managed(call)
    password = body.password or accounts.new_password()
    secret = await call.context.passwords.hash(password)
    await _store(call, accounts.logged_out, secret)
    return PasswordMade(None if body.password else password)


async def log_out_operator(call: Call) -> None:
    """End every login of the operator."""
    _managed(call)
    await _store(call, accounts.logged_out)


async def _store(call: Call, change: Callable[[Operator], Operator | Refusal | Rejected], secret: str = "") -> Operator:
    """Store the change unless some site of the operator would lose its last admin by it. Raises Refusal."""

    def keeps_an_admin(operator: Operator) -> Operator | Refusal | Rejected:
        changed = change(operator)
        if isinstance(changed, Operator):
            everybody = call.context.directory.operators().values()
            if accounts.sites_left_without_admin(operator, changed, everybody):
                return Refusal("last_admin")
        return changed

    ident = _found(call).operator
    return await call.stored(await call.context.store.update_operator(ident, keeps_an_admin, call.expected, secret))


def _found(call: Call) -> Operator:
    """The operator in the path, if it works on the site."""
    operator = call.context.directory.operator(call.request.match_info["operator"])
    if operator is None or operator.membership(call.site.site) is None:
        raise Refusal("not_found")
    return operator


def _managed(call: Call) -> None:
    if not accounts.may_manage_account(call.actor, _found(call)):
        raise Refusal("forbidden")


def _membership(site: Site, member: Membership) -> Membership:
    checked = accounts.checked_membership(site, member)
    if isinstance(checked, Rejected):
        raise of_rejected(checked)
    return checked


def _view(call: Call, operator: Operator) -> OperatorView:
    member = operator.membership(call.site.site)
    if member is None:
        raise Refusal("not_found")
    insight = accounts.includes(accounts.role_on(call.actor, call.site.site) or "operator", "supervisor")
    return OperatorView(
        id=operator.operator,
        name=operator.name,
        role=member.role,
        primary_skill=member.primary_skill,
        secondary_skills=member.secondary_skills,
        max_chats=member.max_chats,
        version=operator.version,
        email=operator.email if insight else None,
        disabled=operator.disabled if insight else None,
        owner=operator.owner or None if insight else None,
    )
