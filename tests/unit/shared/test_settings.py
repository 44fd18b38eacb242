"""Settings: every problem is named at once, secrets are never shown, files are read for secrets only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.runtime.settings import SettingsError, help_text, load, setting


@dataclass(frozen=True, kw_only=True)
class Example:
    port: int = setting("EX_PORT", 8100, help="where to listen", minimum=0, maximum=65535)
    secret: str = setting("EX_SECRET", help="signs tokens", secret=True)
    proxies: tuple[str, ...] = setting("EX_PROXIES", (), help="trusted networks")
    polling: bool = setting("EX_POLLING", True, help="long polling")
    data: Path | None = setting("EX_DATA", None, help="a folder")


def test_defaults_and_values():
    loaded = load(Example, {"EX_SECRET": "x", "EX_PROXIES": "10.0.0.0/8, ::1", "EX_POLLING": "off", "EX_DATA": "/d"})
    assert loaded == Example(port=8100, secret="x", proxies=("10.0.0.0/8", "::1"), polling=False, data=Path("/d"))


def test_every_problem_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        load(Example, {"EX_PORT": "99999", "EX_POLLING": "maybe"})
    text = str(caught.value)
    assert "EX_PORT: 99999 is not between 0 and 65535" in text
    assert "EX_SECRET: not set (signs tokens)" in text
    assert "EX_POLLING: 'maybe' is not on or off" in text


def test_a_secret_comes_from_a_file_and_is_not_shown(tmp_path):
    (tmp_path / "secret").write_text("hush\n")
    loaded = load(Example, {"EX_SECRET_FILE": str(tmp_path / "secret")})
    assert loaded.secret == "hush"
    assert "hush" not in repr(loaded)
    with pytest.raises(SettingsError, match="EX_SECRET_FILE: No such file"):
        load(Example, {"EX_SECRET_FILE": str(tmp_path / "none")})


def test_help_lists_every_setting():
    text = help_text(Example, "services.example")
    assert "EX_PORT (default: 8100)" in text
    assert "EX_SECRET (required)" in text
    assert "EX_POLLING (default: on)" in text
