"""Set-up does what changed and nothing else, and says clearly what is wrong."""

import fcntl
import re
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from deploy import bootstrap
from deploy.bootstrap import SetupError, Stamps, Step, set_up


class Machine:
    """Two steps whose inputs and results the test holds in its hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inputs = {"first": "1", "second": "1"}
        self.ran: list[str] = []
        self.broken: set[str] = set()

    def steps(self) -> list[Step]:
        return [self._step(name) for name in self.inputs]

    def _step(self, name: str) -> Step:
        result = self.folder / name

        def run() -> None:
            self.ran.append(name)
            if name in self.broken:
                raise SetupError("the tool's own words")
            result.write_text("made")

        return Step(name, lambda: self.inputs[name], (result,), run)

    def set_up(self) -> list[str]:
        """The steps that this set-up ran."""
        self.ran.clear()
        set_up(self.steps(), Stamps(self.folder / "stamps.json"))
        return list(self.ran)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_second_set_up_does_nothing(machine: Machine) -> None:
    assert machine.set_up() == ["first", "second"]
    assert machine.set_up() == []


def test_step_with_changed_inputs_runs_again(machine: Machine) -> None:
    machine.set_up()
    machine.inputs["second"] = "2"
    assert machine.set_up() == ["second"]


def test_step_whose_result_was_deleted_runs_again(machine: Machine) -> None:
    machine.set_up()
    (machine.folder / "first").unlink()
    assert machine.set_up() == ["first"]


def test_failed_step_shows_the_tools_words_and_runs_again(machine: Machine) -> None:
    machine.broken.add("second")
    with pytest.raises(SetupError, match=r"second:\nthe tool's own words"):
        machine.set_up()
    machine.broken.clear()
    assert machine.set_up() == ["second"]


def test_spoiled_stamps_mean_that_nothing_is_known(machine: Machine) -> None:
    machine.set_up()
    (machine.folder / "stamps.json").write_text("{")
    assert machine.set_up() == ["first", "second"]


def test_older_python_is_refused_with_a_clear_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    assert bootstrap.main() == 1
    assert "Foyer needs Python 3.11 or newer" in capsys.readouterr().out


def test_fingerprint_follows_content_and_ignores_what_a_build_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    (tmp_path / "web/src").mkdir(parents=True)
    (tmp_path / "web/node_modules").mkdir()
    source = tmp_path / "web/src/main.ts"
    source.write_text("1")

    def fingerprint() -> str:
        return bootstrap._hash_of(bootstrap._files(tmp_path / "web"))

    before = fingerprint()
    (tmp_path / "web/node_modules/x.js").write_text("1")
    assert fingerprint() == before
    source.write_text("2")
    assert fingerprint() != before


def test_two_set_ups_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "BUILD", tmp_path)
    entered = threading.Event()
    with (tmp_path / "setup.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        def second() -> None:
            with bootstrap._alone():
                entered.set()

        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.05)
    assert entered.wait(10)
    thread.join()


@pytest.mark.parametrize("lock", sorted(path.name for path in bootstrap.ROOT.glob("requirements*.lock")))
def test_lock_has_hashes_and_names_no_registry(lock: str) -> None:
    text = (bootstrap.ROOT / lock).read_text()
    assert "://" not in text
    for package in text.replace("\\\n", " ").splitlines():
        assert "--hash=sha256:" in package, package


def test_web_lock_names_no_registry() -> None:
    assert '"resolved": "http' not in (bootstrap.ROOT / "package-lock.json").read_text()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-local.lock", "requirements-dev.lock"])
def test_every_dependency_is_locked(lock: str) -> None:
    project = tomllib.loads((bootstrap.ROOT / "pyproject.toml").read_text())
    groups = {"requirements-local.lock": ["local"], "requirements-dev.lock": ["local", "dev"]}.get(lock, [])
    wanted = project["project"]["dependencies"] + [
        name for group in groups for name in project["dependency-groups"][group]
    ]
    locked = {line.split("==")[0] for line in (bootstrap.ROOT / lock).read_text().splitlines() if "==" in line}
    names = {re.split(r"[\[<>=;~! ]", name)[0].lower() for name in wanted if isinstance(name, str)}
    assert names <= locked, "run `make lock`"
