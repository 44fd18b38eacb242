"""Settings of the local run: what it refuses, what it keeps, what it tells the services."""

import socket
import stat
from pathlib import Path

import pytest

from deploy.local.settings import LocalSettings, SettingsError, kept_password, kept_secret, write_run_file


def settings(tmp_path: Path, **env: str) -> LocalSettings:
    return LocalSettings.from_environment({"DATA_DIR": str(tmp_path), **env})


def test_defaults_are_the_documented_ports(tmp_path: Path) -> None:
    local = settings(tmp_path)
    assert (local.collector_url, local.console_url) == ("http://127.0.0.1:8100", "http://127.0.0.1:8200")
    assert local.demo_url == "http://127.0.0.1:8300"
    assert local.ports["VALKEY_PORT"] == 7380
    assert local.visitors == 0


@pytest.mark.parametrize("text", ["abc", "-1", "70000", "0", "8e3", "８１００"])
def test_a_port_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="DEMO_PORT"):
        settings(tmp_path, DEMO_PORT=text)


def test_the_same_port_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="COLLECTOR_PORT and DEMO_PORT are both 8300"):
        settings(tmp_path, COLLECTOR_PORT="8300")


def test_busy_port_is_found_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert ("GATEWAY_PORT", port) in list(settings(tmp_path, GATEWAY_PORT=str(port)).busy_ports())


def test_port_of_the_embedded_server_does_not_matter_with_another_server(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        local = settings(tmp_path, VALKEY_PORT=port, REDIS_URL="redis://db.example:6379/0")
        assert "VALKEY_PORT" not in dict(local.busy_ports())


def test_services_believe_a_forwarded_address_only_with_simulated_visitors(tmp_path: Path) -> None:
    assert "TRUSTED_PROXIES" not in settings(tmp_path).service_environment("redis://x")
    assert settings(tmp_path, VISITORS="5").service_environment("redis://x")["TRUSTED_PROXIES"] == "127.0.0.1"
    said = settings(tmp_path, VISITORS="5", TRUSTED_PROXIES="10.0.0.0/8").service_environment("redis://x")
    assert said["TRUSTED_PROXIES"] == "10.0.0.0/8"


def test_services_share_one_secret_that_is_kept(tmp_path: Path) -> None:
    first = settings(tmp_path).service_environment("redis://x")["FOYER_SECRET"]
    assert len(first) >= 32
    assert settings(tmp_path).service_environment("redis://x")["FOYER_SECRET"] == first
    assert settings(tmp_path, FOYER_SECRET="mine" * 10).service_environment("redis://x")["FOYER_SECRET"] == "mine" * 10


@pytest.mark.parametrize("make", [kept_secret, kept_password])
def test_a_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path, make) -> None:
    path = tmp_path / "new folder" / "secret"
    secret = make(path)
    assert make(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make(tmp_path / "other") != secret


def test_run_file_is_private_and_names_everything(tmp_path: Path) -> None:
    path = write_run_file(settings(tmp_path), password="p", site="s_12345678", redis_url="redis://x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert all(f'"{key}"' in text for key in ("console", "collector", "demo", "email", "password", "site", "redis_url"))


def test_secrets_are_not_in_the_representation(tmp_path: Path) -> None:
    local = settings(tmp_path, REDIS_URL="redis://:hidden@db.example/0", FOYER_SECRET="hidden too")
    assert "hidden" not in repr(local)
