"""Whose data tells a visitor's country, as its licence wants it said in the console."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import maxminddb
import structlog

from shared.contracts.control import Attribution

log = structlog.get_logger()

# By what the type of the database file begins with.
CREDITS = {
    "DBIP": "IP Geolocation by DB-IP",
    "GeoLite2": "This product includes GeoLite2 data created by MaxMind, available from https://www.maxmind.com",
    "GeoIP2": "GeoIP2 data by MaxMind, available from https://www.maxmind.com",
}


def attribution(database: Path | None) -> Attribution | None:
    """What to say of the collector's country database and the day its data is of; None without a usable file."""
    if database is None:
        return None
    try:
        with maxminddb.open_database(database, maxminddb.MODE_FILE) as reader:
            metadata = reader.metadata()
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        log.warning("geoip_unusable", error=type(error).__name__)
        return None
    credit = next((text for start, text in CREDITS.items() if metadata.database_type.startswith(start)), None)
    day = datetime.fromtimestamp(metadata.build_epoch, UTC).date().isoformat()
    return Attribution(credit or metadata.description.get("en") or metadata.database_type, day)
