"""The tracker's files: caching, compression, pinning."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import brotli
import pytest
from aiohttp.test_utils import make_mocked_request

from services.collector.http.scripts import Scripts

SOURCE = b"(function(){" + b"var foyer=1;" * 200 + b"})();"


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    (tmp_path / "1.2.3").mkdir()
    (tmp_path / "v1.js").write_bytes(SOURCE)
    (tmp_path / "1.2.3" / "t.js").write_bytes(SOURCE)
    (tmp_path / "versions.json").write_text('{"1.2.3":"sha384-x"}')
    (tmp_path / "secret.txt").write_text("no")
    return Scripts(tmp_path)


def get(scripts: Scripts, path: str, **headers: str) -> Any:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return scripts.answer(path, make_mocked_request("GET", f"/t/{path}", fields))


def test_the_embedded_script_is_kept_for_an_hour_and_revalidated(scripts: Scripts) -> None:
    answer = get(scripts, "v1.js")
    assert (answer.status, answer.body, answer.headers["Cache-Control"]) == (200, SOURCE, "public, max-age=3600")
    again = get(scripts, "v1.js", If_None_Match=f'"other", W/{answer.headers["ETag"]}')
    assert (again.status, again.body, again.headers["ETag"]) == (304, None, answer.headers["ETag"])


@pytest.mark.parametrize(
    ("accepted", "coding", "unpack"),
    [
        ("gzip, deflate, br", "br", brotli.decompress),
        ("gzip;q=1.0, br;q=0", "gzip", gzip.decompress),
        ("BR", "br", brotli.decompress),
        ("gzip", "gzip", gzip.decompress),
    ],
)
def test_scripts_travel_compressed(scripts: Scripts, accepted: str, coding: str, unpack: Any) -> None:
    answer = get(scripts, "v1.js", Accept_Encoding=accepted)
    assert answer.headers["Content-Encoding"] == coding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert unpack(answer.body) == SOURCE
    assert answer.headers["ETag"] != get(scripts, "v1.js").headers["ETag"]


def test_a_pinned_version_never_changes_and_may_be_loaded_with_integrity(scripts: Scripts) -> None:
    answer = get(scripts, "1.2.3/t.js")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["secret.txt", "../app.py", "1.2.4/t.js", "", "1.2.3", "1.2.3/"])
def test_nothing_else_is_served(scripts: Scripts, path: str) -> None:
    assert get(scripts, path).status == 404


def test_a_missing_build_is_said(tmp_path: Path, scripts: Scripts) -> None:
    assert scripts.problem is None
    assert Scripts(tmp_path / "nothing").problem == "the tracker has not been built (npm run build)"
