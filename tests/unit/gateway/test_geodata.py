"""The console names the source of the country data, as its licence asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.operator_gateway.geodata import attribution
from tests.unit.collector.test_countries import database


@pytest.mark.parametrize(
    ("kind", "credit"),
    [
        ("DBIP-Country-Lite", "IP Geolocation by DB-IP"),
        ("GeoLite2-Country", "GeoLite2 data created by MaxMind"),
        ("Own-Country", "test"),
    ],
)
def test_the_source_and_the_day_of_the_data_are_named(tmp_path: Path, kind: str, credit: str) -> None:
    path = tmp_path / "country.mmdb"
    path.write_bytes(database("US", kind))
    named = attribution(path)
    assert named is not None
    assert credit in named.attribution
    assert named.date == "1970-01-01"


def test_without_a_usable_file_nothing_is_claimed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"not a database")
    assert [attribution(path) for path in (None, tmp_path / "missing.mmdb", broken)] == [None, None, None]
