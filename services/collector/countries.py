"""Country by address, from a GeoIP database file of the "Country" kind. The address itself is kept nowhere.

A missing or unreadable file means that every country is unknown: readiness says so, visitors are counted all the same.
The file is looked at again every minute, so a newer one is taken without a restart.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import geoip2.database
import maxminddb
import structlog
from geoip2.errors import AddressNotFoundError

from shared.domain.peers import Address

log = structlog.get_logger()
CHECK_S = 60.0
_Version = tuple[int, int, int]


class Countries:
    """Looks countries up. :meth:`load` first, then :meth:`run` keeps the file fresh."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._reader: geoip2.database.Reader | None = None
        self._version: _Version | None = None
        self.problem: str | None = "no database is set (GEOIP_DB)"

    def country(self, address: Address | None) -> str:
        """ISO 3166 code, or empty where it cannot be told (private, unlisted, no database)."""
        if self._reader is None or address is None or not address.is_global:
            return ""
        try:
            return self._reader.country(address).country.iso_code or ""
        except (AddressNotFoundError, ValueError, maxminddb.InvalidDatabaseError):
            return ""

    def _look(self) -> _Version | None:
        try:
            stat = self._path.stat() if self._path else None
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None

    def load(self) -> None:
        """Open the file if it is another one than before. Blocks for as long as reading it takes."""
        version = self._look()
        if self._path is None or (version == self._version and version is not None):
            return
        if version is None:
            self.problem = self.problem if self._reader else "the database file is missing: countries are unknown"
            return
        self._version = version
        try:
            reader = geoip2.database.Reader(self._path, mode=maxminddb.MODE_MEMORY)
            if "Country" not in reader.metadata().database_type:
                reader.close()
                raise ValueError("not a Country database")
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            # An older one that was read before goes on serving.
            self.problem = f"the database file cannot be used ({type(error).__name__})"
            log.warning("geoip_unusable", error=type(error).__name__)
            return
        self._reader, self.problem = reader, None  # the old one is in memory, so whoever still reads it is safe
        log.info("geoip_loaded", kind=reader.metadata().database_type, built=reader.metadata().build_epoch)

    async def run(self) -> None:
        """Take newer files until cancelled."""
        while True:
            await asyncio.sleep(CHECK_S)
            await asyncio.to_thread(self.load)
