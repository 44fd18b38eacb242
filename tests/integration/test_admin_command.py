"""The admin command line: the first set-up without an open page, and repair."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog

from services.operator_gateway import admin
from services.operator_gateway.passwords import Passwords
from shared.contracts.sites import Operator, Site
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory_store import DirectoryStore
from tests.gateway_api import CHEAP, PASSWORD

INIT = ("init", "--site-name", "Shop", "--email", "Ann@x.example", "--name", "Ann", "--password-env", "FIRST")


class Shell:
    """Runs commands in this process, where passwords are cheap."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self._capsys = capsys

    def run(self, *argv: str) -> tuple[int, str, str]:
        try:
            code = admin.main(argv)
        except SystemExit as stop:
            code = int(str(stop.code))
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *argv: str) -> Any:
        code, out, err = self.run(*argv, "--json")
        assert (code, err) == (0, "")
        return msgspec.json.decode(out)

    def fails(self, *argv: str) -> str:
        code, out, err = self.run(*argv)
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert "Traceback" not in err
        return err

    def stored(self, site: str, operator: str) -> tuple[Site, Operator, str]:
        async def read() -> Any:
            clients = Clients(RedisSettings(self.url))
            store = DirectoryStore(clients)
            try:
                return await store.site(site), await store.operator(operator), await store.secret(operator)
            finally:
                await clients.close()

        found: tuple[Site, Operator, str] = asyncio.run(read())
        return found


@pytest.fixture
def shell(redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("FIRST", PASSWORD)
    monkeypatch.setattr(admin, "Passwords", lambda: Passwords(CHEAP))
    yield Shell(redis_url, capsys)
    structlog.reset_defaults()  # a program of its own points the log at its standard error: here, at this test's


async def right(secret: str, password: str) -> bool:
    passwords = Passwords(CHEAP)
    try:
        return await passwords.verify(secret, password)
    finally:
        passwords.close()


def test_init_makes_the_first_site_and_its_owner_and_repeating_it_changes_nothing(shell: Shell) -> None:
    made = shell.json(*INIT, "--origin", "HTTPS://shop.example/", "--origin", "http://127.0.0.1:8300")
    assert set(made) == {"site", "operator"}
    site, operator, secret = shell.stored(**made)
    assert site.origins == ("https://shop.example", "http://127.0.0.1:8300")
    assert operator.owner
    assert [(m.site, m.role) for m in operator.memberships] == [(made["site"], "admin")]
    assert asyncio.run(right(secret, PASSWORD))
    assert shell.json(*INIT, "--origin", "https://shop.example") == made
    assert shell.stored(**made) == (site, operator, secret)
    assert len(shell.json("site", "list")) == len(shell.json("operator", "list")) == 1


def test_init_gives_settings_to_a_new_site_only(shell: Shell) -> None:
    made = shell.json(*INIT, "--setting", 'widget={"launcher": true}', "--setting", "idle_ms=30000")
    site, _operator, _secret = shell.stored(**made)
    assert (site.settings.widget.launcher, site.settings.idle_ms) == (True, 30_000)
    assert shell.json(*INIT, "--setting", "idle_ms=50000") == made
    assert shell.stored(**made)[0] == site


def test_init_with_another_password_sets_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shell.json(*INIT)
    monkeypatch.setenv("FIRST", "another password")
    assert shell.json(*INIT) == made
    _, operator, secret = shell.stored(**made)
    assert asyncio.run(right(secret, "another password"))
    assert operator.generation == 1


def test_init_refuses_another_number_of_partitions(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.json(*INIT)
    monkeypatch.setenv("PARTITIONS", "32")
    assert "PARTITIONS=16" in shell.fails(*INIT)
    monkeypatch.setenv("PARTITIONS", "many")
    assert "PARTITIONS" in shell.fails(*INIT)


def test_a_made_password_is_shown_once_and_never_else(shell: Shell) -> None:
    made = shell.json("operator", "create", "bob@x.example", "--name", "Bob")
    assert len(made["password"]) >= 16
    assert made["password"] not in str(shell.json("operator", "list"))
    reset = shell.json("operator", "reset-password", "BOB@x.example")
    assert reset["password"] != made["password"]
    assert reset["generation"] == 1


def test_a_password_can_come_from_standard_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    made = shell.json("operator", "create", "bob@x.example", "--name", "Bob", "--password-stdin")
    assert "password" not in made


def test_operators_get_roles_and_skills_and_lose_them(shell: Shell) -> None:
    site = shell.json("site", "create", "Shop", "--origin", "https://shop.example")["site"]
    shell.json("skill", "add", site, "sales", "--name", "Sales")
    assert [skill["skill"] for skill in shell.json("skill", "list", site)] == ["general", "sales"]
    bob = shell.json("operator", "create", "bob@x.example", "--name", "Bob", "--site", site)
    assert bob["memberships"][0]["role"] == "operator"
    shell.json("operator", "set-role", "bob@x.example", site, "supervisor")
    changed = shell.json("operator", "set-skills", bob["operator"], site, "sales", "general", "--max-chats", "5")
    assert changed["memberships"] == [
        {"site": site, "role": "supervisor", "primary_skill": "sales", "secondary_skills": ["general"], "max_chats": 5}
    ]
    assert shell.json("operator", "list", "--site", site)[0]["operator"] == bob["operator"]
    assert shell.json("operator", "set-role", bob["operator"], site, "none")["memberships"] == []
    assert shell.json("operator", "disable", bob["operator"])["disabled"] is True
    assert shell.json("operator", "enable", bob["operator"])["generation"] == 1
    assert shell.json("operator", "logout", bob["operator"])["generation"] == 2


def test_whatever_the_api_changes_of_skills_and_operators_the_command_line_changes_too(shell: Shell) -> None:
    site = shell.json(*INIT)["site"]
    shell.json("skill", "add", site, "sales", "--name", "Sales")
    shell.json("skill", "rename", site, "sales", "Selling")
    assert {s["skill"]: s["name"] for s in shell.json("skill", "list", site)}["sales"] == "Selling"
    assert shell.json("skill", "default", site, "sales")["default_skill"] == "sales"
    assert "skill_in_use" in shell.fails("skill", "remove", site, "sales")
    ann = "ann@x.example"
    shell.json("operator", "set-skills", ann, site, "sales", "--max-chats", "7")
    shell.json("skill", "remove", site, "general")
    assert [s["skill"] for s in shell.json("skill", "list", site)] == ["sales"]
    assert shell.json("site", "rename", site, "Store")["name"] == "Store"
    changed = shell.json("operator", "change", ann, "--name", "Anna", "--email", "anna@x.example")
    assert (changed["name"], changed["email"], changed["memberships"][0]["max_chats"]) == (
        "Anna",
        "anna@x.example",
        7,
    )
    assert "email" in shell.fails("operator", "change", "anna@x.example", "--email", "nobody")


def test_sites_are_changed_and_switched_off(shell: Shell) -> None:
    site = shell.json("site", "create", "Shop")["site"]
    assert shell.json("site", "set-origins", site, "https://a.example", "https://b.example:8443")["origins"] == [
        "https://a.example",
        "https://b.example:8443",
    ]
    settings = shell.json("site", "settings", site, "idle_ms=20000", "consent_required=true")
    assert (settings["idle_ms"], settings["consent_required"]) == (20_000, True)
    assert shell.json("site", "settings", site) == settings
    assert shell.json("site", "disable", site)["disabled"] is True
    assert shell.json("site", "enable", site)["disabled"] is False


def test_what_is_wrong_is_said_in_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    site = shell.json("site", "create", "Shop")["site"]
    shell.json("operator", "create", "bob@x.example", "--name", "Bob")
    monkeypatch.setenv("SHORT", "short")
    assert "site list" in shell.fails("site", "disable", "s_nothing")
    assert "operator list" in shell.fails("operator", "logout", "nobody@x.example")
    assert "e-mail" in shell.fails("operator", "create", "BOB@x.example", "--name", "B")
    assert "origin" in shell.fails("site", "set-origins", site, "https://*.example")
    assert "idle_ms" in shell.fails("site", "settings", site, "idle=1")
    assert "idle_ms" in shell.fails("site", "settings", site, "idle_ms=soon")
    assert "set-role" in shell.fails("operator", "set-skills", "bob@x.example", site, "general")
    assert "UNSET" in shell.fails("operator", "reset-password", "bob@x.example", "--password-env", "UNSET")
    assert "10 to 256" in shell.fails("operator", "reset-password", "bob@x.example", "--password-env", "SHORT")
    assert "email" in shell.fails("operator", "create", "nobody", "--name", "B")
    assert shell.run("operator", "set-role", "bob@x.example", site, "king")[0] == 2
    assert shell.run("site")[0] == 2


def test_redis_away_is_said_without_its_password(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:topsecret@127.0.0.1:1/0")
    said = shell.fails("site", "list")
    assert "REDIS_URL" in said
    assert "topsecret" not in said


def test_other_peoples_text_cannot_steer_the_terminal(shell: Shell) -> None:
    site = shell.json("site", "create", "Shop\x1b[2J\u202eevil")["site"]
    for command in (("site", "list"), ("site", "disable", site)):
        _, out, _ = shell.run(*command)
        assert "\x1b" not in out
        assert "\u202e" not in out


def test_the_module_runs_as_a_program(redis_url: str) -> None:
    environ = {**os.environ, "REDIS_URL": redis_url, "FIRST": PASSWORD}
    command = [sys.executable, "-m", "services.operator_gateway", "admin", *INIT, "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(msgspec.json.decode(done.stdout)) == {"site", "operator"}
