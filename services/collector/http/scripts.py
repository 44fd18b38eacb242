"""The tracker's files, held in memory with their compressed forms. Read :meth:`Scripts.answer`.

`v1.js` is what websites embed and `widget.js` what it loads: an hour in caches, revalidated by their ETags. A pinned
version never changes. All of them may be loaded with CORS, which modules and subresource integrity need.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import brotli
from aiohttp import web

from services.collector.domain.refusals import Refusal
from services.collector.http.answers import headers, problem

_HOUR = "public, max-age=3600"
_FOR_EVER = "public, max-age=31536000, immutable"
_MINUTE = "public, max-age=60"
_TYPES = {".js": "text/javascript; charset=utf-8", ".json": "application/json", ".css": "text/css; charset=utf-8"}
_QUALITY_ZERO = re.compile(r";\s*q=0(\.0*)?\s*$")


@dataclass(frozen=True)
class _File:
    forms: dict[str, bytes]  # by content coding; "identity" always
    content_type: str
    cache: str
    etag: str


def _cache(path: str) -> str:
    if path in ("v1.js", "widget.js"):
        return _HOUR
    return _MINUTE if path in ("versions.json", "widgets.json") else _FOR_EVER


def _file(path: str, content: bytes) -> _File:
    packed: dict[str, bytes] = {"br": _brotli(content), "gzip": gzip.compress(content, mtime=0)}
    forms = {"identity": content, **{name: form for name, form in packed.items() if len(form) < len(content)}}
    etag = hashlib.sha256(content).hexdigest()[:32]
    return _File(forms, _TYPES[Path(path).suffix], _cache(path), etag)


def _brotli(content: bytes) -> bytes:
    packed: bytes = brotli.compress(content, quality=11)  # type: ignore[no-untyped-call]
    return packed


def _accepted(accept_encoding: str) -> set[str]:
    parts = [part for part in accept_encoding.lower().split(",") if not _QUALITY_ZERO.search(part)]
    return {part.partition(";")[0].strip() for part in parts}


class Scripts:
    """What is below `folder` at start, by its path there: `v1.js`, `versions.json`, `<version>/t.js` …"""

    def __init__(self, folder: Path) -> None:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _TYPES)
        self._files = {(name := path.relative_to(folder).as_posix()): _file(name, path.read_bytes()) for path in files}

    @property
    def problem(self) -> str | None:
        """Why websites get no tracker, if so."""
        return None if "v1.js" in self._files else "the tracker has not been built (npm run build)"

    def answer(self, path: str, request: web.BaseRequest) -> web.Response:
        """The file at `path` in the form that the client prefers; 304 if it has it; 404."""
        file = self._files.get(path)
        if file is None:
            return problem(Refusal("not_found"))
        accepted = _accepted(request.headers.get("Accept-Encoding", ""))
        coding = next((name for name in ("br", "gzip") if name in accepted and name in file.forms), "identity")
        # A form of its own has a tag of its own: they are different bytes.
        etag = f'"{file.etag}"' if coding == "identity" else f'"{file.etag}-{coding}"'
        fields = headers(Content_Type=file.content_type, ETag=etag, Vary="Accept-Encoding")
        fields["Cache-Control"] = file.cache
        if coding != "identity":
            fields["Content-Encoding"] = coding
        known = request.headers.get("If-None-Match", "")
        if etag in (tag.strip().removeprefix("W/") for tag in known.split(",")) or known.strip() == "*":
            del fields["Content-Type"]
            fields.pop("Content-Encoding", None)
            return web.Response(status=304, headers=fields)
        return web.Response(body=file.forms[coding], headers=fields)
