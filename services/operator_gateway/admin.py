"""`python -m services.operator_gateway admin ...`: first set-up and repair from the machine itself.

There is no open first-run page: the first owner is made here. Passwords never stand in arguments, where other users of
the machine could read them: they come from a named environment variable or standard input, or are made and shown once.
Exit code 0 done, 1 refused or Redis away (one line says why), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias, get_args

import msgspec
import structlog

from services.operator_gateway.admin_commands import Admin, AdminError, Given
from services.operator_gateway.passwords import Passwords
from shared.contracts.sites import Role
from shared.runtime.clock import SystemClock
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory import Directory
from shared.storage.faults import InstallationMismatch, Unavailable

DEFAULT_PARTITIONS = 16
Run = Callable[[Admin, argparse.Namespace], Coroutine[Any, Any, Any]]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str]) -> int:
    """Run one command; `argv` is what stands behind `admin`."""
    arguments = parser().parse_args(argv)
    structlog.configure(  # standard output is for the answer alone
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        answer = asyncio.run(_run(arguments))
    except (AdminError, InstallationMismatch) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except Unavailable as error:
        sys.stderr.write(f"error: Redis does not answer ({error}); REDIS_URL says where it is\n")
        return 1
    sys.stdout.write(_shown(answer, arguments.json))
    return 0


async def _run(arguments: argparse.Namespace) -> Any:
    clients = Clients(RedisSettings(os.environ.get("REDIS_URL") or RedisSettings.url))
    directory = Directory(clients)
    passwords = Passwords()
    try:
        await clients.call("PING")
        if arguments.run is _init:
            await clients.agree_on_partitions(_partitions())
        await directory.start()
        return await arguments.run(Admin(clients, directory, passwords, SystemClock()), arguments)
    finally:
        await directory.stop()
        await clients.close()
        passwords.close()


def _partitions() -> int:
    text = os.environ.get("PARTITIONS") or str(DEFAULT_PARTITIONS)
    if not text.isdecimal() or int(text) < 1:
        raise AdminError("PARTITIONS is not a positive number")
    return int(text)


# --- arguments ---


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="python -m services.operator_gateway admin",
        description="Set up and repair sites and operators. REDIS_URL says where Redis is.",
    )
    groups = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    init = _command(groups, "init", "make the first site and its owner; repeating it changes nothing", _init)
    init.add_argument("--site-name", required=True)
    init.add_argument("--origin", action="append", default=[], metavar="URL", help="as https://example.com; repeatable")
    init.add_argument("--email", required=True)
    init.add_argument("--name", required=True, help="how visitors see the operator")
    init.add_argument(
        "--setting", action="append", default=[], metavar="NAME=VALUE", help="of a new site, see `site settings`"
    )
    _password(init)
    _site_commands(_group(groups, "site", "customer websites"))
    _skill_commands(_group(groups, "skill", "what visitors may need"))
    _operator_commands(_group(groups, "operator", "people who answer visitors"))
    _undelivered_commands(_group(groups, "undelivered", "mails and webhooks that were given up"))
    return top


def _undelivered_commands(commands: Commands) -> None:
    _command(commands, "list", "those of a site, newest first", _undelivered_list).add_argument("site")
    for name, text, run in (
        ("retry", "try some, or all, again", _undelivered_retry),
        ("drop", "forget some, or all", _undelivered_drop),
    ):
        command = _command(commands, name, text, run)
        command.add_argument("site")
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("entry", nargs="*", default=[], help="as `list` names them")
        which.add_argument("--all", action="store_true")


def _site_commands(commands: Commands) -> None:
    _command(commands, "list", "all sites", _site_list)
    create = _command(commands, "create", "a new site", _site_create)
    create.add_argument("name")
    create.add_argument(
        "--origin", action="append", default=[], metavar="URL", help="as https://example.com; repeatable"
    )
    create.add_argument("--admin", metavar="OPERATOR", help="e-mail or id of its admin")
    origins = _command(commands, "set-origins", "replace the origins that may be tracked", _site_origins)
    origins.add_argument("site")
    origins.add_argument("origin", nargs="*", metavar="URL")
    rename = _command(commands, "rename", "another name; the key stays", _site_rename)
    rename.add_argument("site")
    rename.add_argument("name")
    settings = _command(commands, "settings", "show or set numbers of the behaviour", _site_settings)
    settings.add_argument("site")
    settings.add_argument("change", nargs="*", metavar="NAME=VALUE")
    for name, text, run in (("disable", "switch off", _site_disable), ("enable", "switch on again", _site_enable)):
        _command(commands, name, text, run).add_argument("site")


def _skill_commands(commands: Commands) -> None:
    _command(commands, "list", "a site's skills", _skill_list).add_argument("site")
    add = _command(commands, "add", "one skill more", _skill_add)
    add.add_argument("site")
    add.add_argument("skill", help="its id: lower-case letters, digits, - and _")
    add.add_argument("--name", help="as shown; default: the id")
    rename = _command(commands, "rename", "another name; the id stays", _skill_rename)
    rename.add_argument("site")
    rename.add_argument("skill")
    rename.add_argument("name")
    for name, text, run in (
        ("remove", "one that nobody has and no rule gives", _skill_remove),
        ("default", "for visitors for whom no rule fits", _skill_default),
    ):
        command = _command(commands, name, text, run)
        command.add_argument("site")
        command.add_argument("skill")


def _operator_commands(commands: Commands) -> None:
    _command(commands, "list", "all operators", _operator_list).add_argument("--site")
    create = _command(commands, "create", "a new account, with a role if --site is given", _operator_create)
    create.add_argument("email")
    create.add_argument("--name", required=True)
    create.add_argument("--site")
    create.add_argument("--role", choices=get_args(Role), default="operator")
    create.add_argument("--owner", action="store_true", help="may create sites and repair any account")
    _password(create)
    role = _command(commands, "set-role", "rights on a site", _operator_role)
    role.add_argument("operator", help="e-mail or id")
    role.add_argument("site")
    role.add_argument("role", choices=[*get_args(Role), "none"])
    skills = _command(commands, "set-skills", "which visitors of a site the operator serves", _operator_skills)
    skills.add_argument("operator", help="e-mail or id")
    skills.add_argument("site")
    skills.add_argument("primary")
    skills.add_argument("secondary", nargs="*")
    skills.add_argument("--max-chats", type=int)
    change = _command(commands, "change", "another name or e-mail address", _operator_change)
    change.add_argument("operator", help="e-mail or id")
    change.add_argument("--name")
    change.add_argument("--email")
    for name, text, run in (
        ("disable", "switch the account off; its logins end", _operator_disable),
        ("enable", "switch it on again", _operator_enable),
        ("logout", "end every login", _operator_logout),
    ):
        _command(commands, name, text, run).add_argument("operator", help="e-mail or id")
    reset = _command(commands, "reset-password", "another password; every login ends", _operator_reset)
    reset.add_argument("operator", help="e-mail or id")
    _password(reset)


def _group(groups: Commands, name: str, text: str) -> Commands:
    return groups.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar="COMMAND")


def _command(commands: Commands, name: str, text: str, run: Run) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.add_argument("--json", action="store_true", help="answer in JSON")
    command.set_defaults(run=run)
    return command


def _password(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group()
    source.add_argument("--password-env", metavar="VAR", help="the environment variable that holds the password")
    source.add_argument("--password-stdin", action="store_true", help="read it from standard input (one line)")


def _given(arguments: argparse.Namespace) -> Given:
    if arguments.password_env is not None:
        password = os.environ.get(arguments.password_env)
        if not password:
            raise AdminError(f"the environment variable {arguments.password_env} is empty or not set")
        return Given(password)
    return Given(sys.stdin.readline().rstrip("\r\n")) if arguments.password_stdin else Given()


# --- commands ---


async def _init(admin: Admin, arguments: argparse.Namespace) -> Any:
    site, origins, settings = arguments.site_name, arguments.origin, arguments.setting
    return await admin.init(site, origins, arguments.email, arguments.name, _given(arguments), settings)


async def _site_list(admin: Admin, arguments: argparse.Namespace) -> Any:
    return admin.sites()


async def _site_create(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.create_site(arguments.name, arguments.origin, arguments.admin)


async def _site_origins(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.set_origins(arguments.site, arguments.origin)


async def _site_settings(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.change_settings(arguments.site, arguments.change)


async def _site_disable(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.set_site_disabled(arguments.site, True)


async def _site_enable(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.set_site_disabled(arguments.site, False)


async def _skill_list(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.skills(arguments.site)


async def _skill_add(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.add_skill(arguments.site, arguments.skill, arguments.name or arguments.skill)


async def _operator_list(admin: Admin, arguments: argparse.Namespace) -> Any:
    return admin.operators(arguments.site)


async def _operator_create(admin: Admin, arguments: argparse.Namespace) -> Any:
    made = await admin.create_operator(arguments.email, arguments.name, _given(arguments), owner=arguments.owner)
    if arguments.site is None:
        return made
    return made | await admin.set_role(made["operator"], arguments.site, arguments.role)


async def _operator_role(admin: Admin, arguments: argparse.Namespace) -> Any:
    role = None if arguments.role == "none" else arguments.role
    return await admin.set_role(arguments.operator, arguments.site, role)


async def _operator_skills(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.set_skills(
        arguments.operator, arguments.site, arguments.primary, arguments.secondary, arguments.max_chats
    )


async def _operator_change(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.change_operator(arguments.operator, arguments.name, arguments.email)


async def _skill_rename(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.rename_skill(arguments.site, arguments.skill, arguments.name)


async def _skill_remove(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.remove_skill(arguments.site, arguments.skill)


async def _skill_default(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.set_default_skill(arguments.site, arguments.skill)


async def _site_rename(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.rename_site(arguments.site, arguments.name)


async def _operator_disable(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.set_operator_disabled(arguments.operator, True)


async def _operator_enable(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.set_operator_disabled(arguments.operator, False)


async def _operator_logout(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.log_out(arguments.operator)


async def _operator_reset(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.reset_password(arguments.operator, _given(arguments))


async def _undelivered_list(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.undelivered(arguments.site)


async def _undelivered_retry(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.settle_undelivered(arguments.site, arguments.entry, retry=True)


async def _undelivered_drop(admin: Admin, arguments: argparse.Namespace) -> Any:
    return await admin.settle_undelivered(arguments.site, arguments.entry, retry=False)


# --- answers ---


def _shown(answer: Any, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode(answer).decode() + "\n"
    if isinstance(answer, list):
        return "".join(_line(record) + "\n" for record in answer)
    return "".join(f"{name}: {_text(value)}\n" for name, value in answer.items())


def _line(record: dict[str, Any]) -> str:
    """A record of a list in one line: its plain fields."""
    return "  ".join(_text(value) for value in record.values() if isinstance(value, str))


def _text(value: Any) -> str:
    """One line without control characters: names are other people's text."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return "".join(char if char.isprintable() else "?" for char in text)
