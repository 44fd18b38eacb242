"""What the admin command line does; `admin.py` reads the arguments and prints the answers.

Whoever may run this reaches Redis itself, so no roles are checked; the rules of `accounts.py` hold all the same.
Every command gives a plain value: the lines of a list, or one record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from services.operator_gateway import accounts
from services.operator_gateway.accounts import Rejected
from services.operator_gateway.passwords import Passwords
from shared.contracts.sites import Membership, Operator, Role, Site, Skill
from shared.contracts.streams import SettleUndelivered, encode
from shared.domain.partitions import Partitions
from shared.runtime.clock import Clock
from shared.storage.clients import Clients
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore, Refused, Written
from shared.storage.log import GROUP_SIZE, PartitionLog
from shared.storage.notifications import BuriedNotifications

MIN_PASSWORD, MAX_PASSWORD = 10, 256
REFUSALS = {
    "not_found": "there is no such site or operator",
    "stale_version": "others are changing the same record, try again",
    "email_taken": "another operator has this e-mail address",
    "too_many": "the installation is full",
}
Record = TypeVar("Record", Site, Operator)
Answer = dict[str, Any]


class AdminError(Exception):
    """The command cannot be done; the text says why."""


@dataclass(frozen=True)
class Given:
    """A password from the caller, or None to make one and show it once."""

    password: str | None = None


def public(record: Site | Operator) -> Answer:
    """A record as the command line shows it."""
    shown: Answer = msgspec.to_builtins(record)
    return shown


class Admin:
    """The commands, on a store that answers and a directory that is loaded."""

    def __init__(self, clients: Clients, directory: Directory, passwords: Passwords, clock: Clock) -> None:
        self._clients = clients
        self._directory = directory
        self._store = DirectoryStore(clients)
        self._passwords = passwords
        self._clock = clock

    async def init(  # noqa: PLR0917  # the words of one command, in its order
        self,
        site_name: str,
        origins: Sequence[str],
        email: str,
        name: str,
        given: Given,
        settings: Sequence[str] = (),
    ) -> Answer:
        """Make sure that this site and this owner exist, and that the owner may log in with the given password.

        `settings` (`name=value`) are a new site's; one that is there keeps its own.
        """
        account = await self._store.operator_by_email(email)
        answer: Answer = {}
        if account is None:
            made = await self.create_operator(email, name, given, owner=True)
            account = await self._operator(made["operator"])
            answer |= {k: v for k, v in made.items() if k == "password"}
        elif given.password is not None:
            await self._ensure_password(account, given.password)
        site = self._site_of(account, site_name)
        key: str = site.site if site else (await self.create_site(site_name, origins))["site"]
        if site:
            await self.set_origins(key, [*site.origins, *origins])
        elif settings:
            await self.change_settings(key, settings)
        member = Membership(site=key, role="admin", primary_skill=(await self._site(key)).default_skill)
        await self._change_operator(
            account.operator,
            lambda o: replace(o if o.membership(key) else _must(accounts.with_membership(o, member)), owner=True),
        )
        return {"site": key, "operator": account.operator} | answer

    # --- sites ---

    def sites(self) -> list[Answer]:
        """All sites."""
        return [public(site) for site in self._directory.sites().values()]

    async def create_site(self, name: str, origins: Sequence[str], admin: str | None = None) -> Answer:
        """A new site; `admin` (e-mail or id) becomes its admin."""
        account = await self._operator(admin) if admin else None
        site = Site(
            site=accounts.new_site_key(),
            name=_field(Site, "name", name),
            origins=_must(accounts.normal_origins(origins)),
            created_at=self._clock.now_ms(),
        )
        made = _written(await self._store.create_site(site))
        if account:
            await self.set_role(account.operator, made.site, "admin")
        return public(made)

    async def set_origins(self, site: str, origins: Sequence[str]) -> Answer:
        """Replace the origins from which the site may be tracked."""
        allowed = _must(accounts.normal_origins(origins))
        return await self._change_site(site, lambda s: replace(s, origins=allowed))

    async def change_settings(self, site: str, pairs: Sequence[str]) -> Answer:
        """Set numbers and switches of the site's behaviour: `name=value`. Without any, show them."""
        changes: Answer = {}
        for pair in pairs:
            name, equals, value = pair.partition("=")
            if not equals:
                raise AdminError(f"{pair!r} is not name=value")
            try:
                changes[name] = msgspec.json.decode(value)
            except msgspec.DecodeError:
                changes[name] = value

        def change(old: Site) -> Site:
            settings = msgspec.to_builtins(old.settings)
            if unknown := changes.keys() - settings.keys():
                raise AdminError(f"no such setting: {', '.join(sorted(unknown))}. There are: {', '.join(settings)}")
            try:
                return replace(old, settings=msgspec.convert(settings | changes, type(old.settings)))
            except msgspec.ValidationError as error:
                raise AdminError(str(error)) from error

        shown = await self._change_site(site, change) if changes else public(await self._site(site))
        settings: Answer = shown["settings"]
        return settings

    async def rename_site(self, site: str, name: str) -> Answer:
        """Another name of the site; its key stays."""
        wanted = _field(Site, "name", name)
        return await self._change_site(site, lambda s: replace(s, name=wanted))

    async def set_site_disabled(self, site: str, disabled: bool) -> Answer:
        """Switch a site off (trackers stop, operators cannot open it) or on again."""
        return await self._change_site(site, lambda s: replace(s, disabled=disabled))

    async def skills(self, site: str) -> list[Answer]:
        """The site's skills."""
        known = await self._site(site)
        return [{"skill": s.skill, "name": s.name, "default": s.skill == known.default_skill} for s in known.skills]

    async def add_skill(self, site: str, skill: str, name: str) -> Answer:
        """One skill more."""
        new = Skill(_field(Skill, "skill", skill), _field(Skill, "name", name))
        return await self._change_site(site, lambda s: _must(accounts.add_skill(s, new)))

    async def rename_skill(self, site: str, skill: str, name: str) -> Answer:
        """Another name for a skill; its id stays."""
        wanted = _field(Skill, "name", name)
        return await self._change_site(site, lambda s: _must(accounts.rename_skill(s, skill, wanted)))

    async def remove_skill(self, site: str, skill: str) -> Answer:
        """A skill that nobody has and no rule gives any more."""
        operators = tuple(self._directory.operators().values())
        return await self._change_site(site, lambda s: _must(accounts.remove_skill(s, skill, operators)))

    async def set_default_skill(self, site: str, skill: str) -> Answer:
        """The skill of visitors for whom no rule fits."""
        return await self._change_site(site, lambda s: _must(accounts.set_default_skill(s, skill)))

    # --- operators ---

    def operators(self, site: str | None) -> list[Answer]:
        """All operators, or those of one site."""
        return [public(o) for o in self._directory.operators().values() if site is None or o.membership(site)]

    async def create_operator(self, email: str, name: str, given: Given, *, owner: bool = False) -> Answer:
        """A new account, without rights on any site yet. A password that was made here is in the answer."""
        password = _checked_password(given)
        operator = Operator(
            operator=accounts.new_operator_id(),
            email=_field(Operator, "email", email.strip()),
            name=_field(Operator, "name", name),
            owner=owner,
            created_at=self._clock.now_ms(),
        )
        secret = await self._passwords.hash(password)
        made = public(_written(await self._store.create_operator(operator, secret)))
        return made if given.password is not None else made | {"password": password}

    async def set_role(self, operator: str, site: str, role: Role | None) -> Answer:
        """Give the operator a role on the site, or (None) take all rights there."""
        known = await self._site(site)

        def change(old: Operator) -> Operator:
            if role is None:
                return accounts.without_membership(old, site)
            member = old.membership(site) or Membership(site=site, primary_skill=known.default_skill)
            return _must(accounts.with_membership(old, replace(member, role=role)))

        return await self._change_operator(operator, change)

    async def set_skills(
        self, operator: str, site: str, primary: str, secondary: Sequence[str], max_chats: int | None
    ) -> Answer:
        """Which visitors of the site the operator serves, and how many chats at once."""
        known = await self._site(site)

        def change(old: Operator) -> Operator:
            member = old.membership(site)
            if member is None:
                raise AdminError("the operator has no role on this site: use `operator set-role` first")
            limit = member.max_chats if max_chats is None else int(_field(Membership, "max_chats", max_chats))
            wanted = replace(member, primary_skill=primary, secondary_skills=tuple(secondary), max_chats=limit)
            return _must(accounts.with_membership(old, _must(accounts.checked_membership(known, wanted))))

        return await self._change_operator(operator, change)

    async def change_operator(self, operator: str, name: str | None, email: str | None) -> Answer:
        """Another name or e-mail address of the account."""
        given = {"name": name, "email": None if email is None else email.strip()}
        fields = {key: _field(Operator, key, value) for key, value in given.items() if value is not None}
        return await self._change_operator(operator, lambda o: replace(o, **fields))

    async def set_operator_disabled(self, operator: str, disabled: bool) -> Answer:
        """Switch the account off (its logins end at once) or on again."""
        return await self._change_operator(operator, lambda o: accounts.set_disabled(o, disabled))

    async def log_out(self, operator: str) -> Answer:
        """End every login of the operator."""
        return await self._change_operator(operator, accounts.logged_out)

    async def reset_password(self, operator: str, given: Given) -> Answer:
        """Another password; every login ends. A password that was made here is in the answer."""
        password = _checked_password(given)
        secret = await self._passwords.hash(password)
        done = await self._change_operator(operator, accounts.logged_out, secret)
        return done if given.password is not None else done | {"password": password}

    # --- what could not be delivered ---

    async def undelivered(self, site: str) -> list[Answer]:
        """Mails and webhooks of the site that were given up, newest first."""
        await self._site(site)
        found = await BuriedNotifications(self._clients, await self._partitions()).of(site)
        return [
            {"entry": one.entry, "kind": line.kind, "target": line.target, "reason": line.reason}
            | {"mail": line.mail, "attempts": line.attempts, "at": line.at, "visitor": line.visitor}
            for one in found
            for line in (one.undelivered,)
        ]

    async def settle_undelivered(self, site: str, entries: Sequence[str], *, retry: bool) -> list[Answer]:
        """Try these again, or drop them; without any named, all. chat-routing does it as soon as it runs."""
        known = [one["entry"] for one in await self.undelivered(site)]
        if unknown := [entry for entry in entries if entry not in known]:
            raise AdminError(f"nothing of that name was given up: {', '.join(unknown)}; `undelivered list` shows all")
        partitions = await self._partitions()
        asked = [encode(SettleUndelivered(site, entry, retry)) for entry in entries or known]
        for start in range(0, len(asked), GROUP_SIZE):
            await PartitionLog(self._clients).append("cmd", partitions.of(site), asked[start : start + GROUP_SIZE])
        return [{"entry": entry} for entry in entries or known]

    async def _partitions(self) -> Partitions:
        count = await self._clients.partition_count()
        if count is None:
            raise AdminError("no service was ever started on this Redis")
        return Partitions(count)

    # --- inner ---

    def _site_of(self, account: Operator, name: str) -> Site | None:
        """The account's site of that name, or one that belongs to nobody (an `init` that was cut short)."""
        taken = {m.site for o in self._directory.operators().values() for m in o.memberships}
        named = [s for s in self._directory.sites().values() if s.name == name]
        own = [s for s in named if account.membership(s.site)]
        return next(iter(own + [s for s in named if s.site not in taken]), None)

    async def _ensure_password(self, account: Operator, password: str) -> None:
        if not await self._passwords.verify(await self._store.secret(account.operator), password):
            await self.reset_password(account.operator, Given(password))

    async def _site(self, site: str) -> Site:
        found = await self._store.site(site)
        if found is None:
            raise AdminError(f"there is no site {site!r}; `site list` shows all")
        return found

    async def _operator(self, operator: str) -> Operator:
        by_email = "@" in operator
        found = await (self._store.operator_by_email(operator) if by_email else self._store.operator(operator))
        if found is None:
            raise AdminError(f"there is no operator {operator!r}; `operator list` shows all")
        return found

    async def _change_site(self, site: str, change: Callable[[Site], Site]) -> Answer:
        await self._site(site)
        return public(_written(await self._store.update_site(site, change)))

    async def _change_operator(self, operator: str, change: Callable[[Operator], Operator], secret: str = "") -> Answer:
        found = await self._operator(operator)
        return public(_written(await self._store.update_operator(found.operator, change, secret=secret)))


Checked = TypeVar("Checked")


def _must(result: Checked | Rejected) -> Checked:
    if isinstance(result, Rejected):
        raise AdminError(f"{result.detail} ({result.code}{' at ' + result.pointer if result.pointer else ''})")
    return result


def _written(result: Written[Record] | Refused) -> Record:
    if isinstance(result, Refused):
        raise AdminError(REFUSALS[result.code])
    return result.record


def _field(struct: type[msgspec.Struct], name: str, value: Any) -> Any:
    """`value` as the contract allows it in that field."""
    kind = next(f.type for f in msgspec.structs.fields(struct) if f.name == name)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise AdminError(f"{name.replace('_', ' ')}: {error}") from error


def _checked_password(given: Given) -> str:
    if given.password is None:
        return accounts.new_password()
    if not MIN_PASSWORD <= len(given.password) <= MAX_PASSWORD:
        raise AdminError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return given.password
