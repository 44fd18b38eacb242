"""Country by address from a database file that may be missing, broken, or replaced while the collector runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.geoip import METADATA_MARKER, SEPARATOR, Uint, Value, encoded
from services.collector.countries import Countries
from shared.domain.peers import parse_address

BITS = 128


def database(code: str, kind: str = "Test-Country") -> bytes:
    """A database in which 8.0.0.0/8 lies in `code` and nothing else anywhere (IPv4 hangs at ::/96)."""
    path = "0" * 96 + "00001000"
    nodes = len(path)
    tree = b""
    for position, bit in enumerate(path):
        onward = position + 1 if position + 1 < nodes else nodes + len(SEPARATOR)
        pair = (onward, nodes) if bit == "0" else (nodes, onward)  # `nodes` means: not in the database
        tree += b"".join(record.to_bytes(3, "big") for record in pair)
    record: dict[str, Value] = {"country": {"iso_code": code}}
    metadata: dict[str, Value] = {
        "binary_format_major_version": Uint(16, 2),
        "binary_format_minor_version": Uint(16, 0),
        "build_epoch": Uint(64, 1),
        "database_type": kind,
        "description": {"en": "test"},
        "ip_version": Uint(16, 6),
        "languages": ["en"],
        "node_count": Uint(32, nodes),
        "record_size": Uint(16, 24),
    }
    return tree + SEPARATOR + encoded(record) + METADATA_MARKER + encoded(metadata)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "country.mmdb"
    path.write_bytes(database("US"))
    return path


def loaded(path: Path | None) -> Countries:
    countries = Countries(path)
    countries.load()
    return countries


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("8.8.8.8", "US"),
        ("::ffff:8.8.8.8", "US"),
        ("9.9.9.9", ""),  # not in the database
        ("2a00:1450::1", ""),
        ("10.0.0.1", ""),
        ("127.0.0.1", ""),
        ("192.168.1.1", ""),
        ("::1", ""),
        ("fe80::1%eth0", ""),
        ("nonsense", ""),
    ],
)
def test_country_is_told_or_left_open(file: Path, address: str, country: str) -> None:
    countries = loaded(file)
    assert countries.problem is None
    assert countries.country(parse_address(address)) == country


def test_without_a_file_every_country_is_unknown_and_readiness_is_told(tmp_path: Path) -> None:
    for path in (None, tmp_path / "missing.mmdb"):
        countries = loaded(path)
        assert countries.problem
        assert countries.country(parse_address("8.8.8.8")) == ""


def test_a_file_that_appears_later_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "later.mmdb"
    countries = loaded(path)
    path.write_bytes(database("FR"))
    countries.load()
    assert (countries.problem, countries.country(parse_address("8.8.8.8"))) == (None, "FR")


def test_a_newer_file_is_taken_and_a_broken_one_is_not(file: Path) -> None:
    countries = loaded(file)
    file.write_bytes(database("CA"))
    os.utime(file, ns=(1, 1))
    countries.load()
    assert countries.country(parse_address("8.8.8.8")) == "CA"
    file.write_bytes(b"damaged")
    countries.load()
    assert countries.problem == "the database file cannot be used (InvalidDatabaseError)"
    assert countries.country(parse_address("8.8.8.8")) == "CA"


def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "city.mmdb"
    path.write_bytes(database("US", kind="Test-ASN"))
    assert loaded(path).problem == "the database file cannot be used (ValueError)"
