"""The files of the container set-up hold together; checked by the programs that read them where these are installed."""

import re
import shutil
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import container
from tests.tools import tool

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("collector", "presence", "chat-routing", "operator-gateway")


@pytest.fixture
def compose_text(tmp_path: Path) -> str:
    """The compose file as docker-compose understands it, with fresh secrets."""
    program = tool("docker-compose")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    make_secrets(tmp_path)
    result = subprocess.run([program, "config"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def make_secrets(folder: Path) -> Path:
    target = folder / "secrets"
    command = [sys.executable, "-m", "deploy.compose_secrets", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return target


def block(text: str, service: str) -> str:
    """A service's part of the output of `docker-compose config`."""
    found = re.search(rf"^  {service}:\n((?:    .*\n)+)", text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_compose_file_has_all_services_and_each_can_be_scaled(compose_text: str) -> None:
    for service in SERVICES:
        part = block(compose_text, service)
        assert f"SERVICE: {service}" in part
        assert "container_name" not in part
        assert "ports:" not in part


def test_services_run_without_rights_on_a_read_only_image(compose_text: str) -> None:
    for service in SERVICES:
        part = block(compose_text, service)
        assert "read_only: true" in part
        assert "- ALL" in part
        assert "no-new-privileges:true" in part


def test_only_the_balancer_is_reachable(compose_text: str) -> None:
    assert "ports:" in block(compose_text, "balancer")
    assert "ports:" not in block(compose_text, "valkey")
    assert "internal: true" in compose_text


def test_every_tunable_service_name_is_one_that_the_image_runs() -> None:
    assert set(container.SERVICES) == set(SERVICES)


def test_balancer_configuration_is_valid() -> None:
    program = tool("haproxy")
    config = ROOT / "deploy/balancer/haproxy.cfg"
    result = subprocess.run([program, "-c", "-f", str(config)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_secrets_are_fresh_private_and_kept(tmp_path: Path) -> None:
    first = make_secrets(tmp_path / "a")
    texts = {path.name: path.read_text() for path in first.iterdir()}
    assert set(texts) == {"users.acl", *(f"{service}.env" for service in SERVICES)}
    assert all(stat.S_IMODE((first / f"{service}.env").stat().st_mode) == 0o600 for service in SERVICES)
    make_secrets(tmp_path / "a")
    assert texts == {path.name: path.read_text() for path in first.iterdir()}
    other = make_secrets(tmp_path / "b")
    assert all((other / name).read_text() != text for name, text in texts.items())


def test_a_service_knows_its_own_secrets_only(compose_text: str) -> None:
    addresses = [line for line in compose_text.splitlines() if "REDIS_URL" in line]
    assert len(set(addresses)) == len(SERVICES)
    assert "FOYER_SECRET" in block(compose_text, "collector")
    assert "FOYER_SECRET" not in block(compose_text, "presence")
    assert "FOYER_SECRET" not in block(compose_text, "valkey")


def test_image_copies_only_what_exists_and_what_is_let_in() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert any(source == name or source.startswith(name + "/") for name in let_in), source


def test_image_refuses_an_unknown_service() -> None:
    with pytest.raises(SystemExit, match="SERVICE is 'colector'"):
        container.command([], {"SERVICE": "colector"})


def test_image_passes_arguments_to_the_admin_command_line() -> None:
    assert container.command(["admin", "site", "list"], {}) == [
        "-m",
        "services.operator_gateway",
        "admin",
        "site",
        "list",
    ]
    assert container.command(["--help"], {"SERVICE": "presence"}) == ["-m", "services.presence", "--help"]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_container_is_healthy_when_its_service_is_ready(status: int, healthy: bool) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        env = {"SERVICE": "presence", "PRESENCE_ADMIN_PORT": str(server.server_port)}
        assert container.healthy(env) is healthy
        thread.join()
    assert not container.healthy(env)
