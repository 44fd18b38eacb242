"""`python -m deploy.simulate --collector URL --site KEY --origin URL --visitors N`: until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable

import geoip2.database
import geoip2.errors

from deploy.simulate.crowd import Crowd, fresh_seed
from deploy.simulate.people import addresses_by_country
from deploy.simulate.visitor import Place


def known_addresses(path: str, seed: int) -> dict[str, list[str]]:
    """Addresses by country from the database at `path`; none when there is no such file."""
    try:
        with geoip2.database.Reader(path) as reader:
            return addresses_by_country(random.Random(seed), _asking(reader))  # noqa: S311
    except OSError:
        return {}


def _asking(reader: geoip2.database.Reader) -> Callable[[str], str | None]:
    def country_of(address: str) -> str | None:
        try:
            return reader.country(address).country.iso_code
        except geoip2.errors.AddressNotFoundError:
            return None

    return country_of


async def run_until_told(crowd: Crowd) -> None:
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(crowd.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        return


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.simulate", description="Simulated visitors of the demo.")
    parser.add_argument("--collector", default="http://127.0.0.1:8100")
    parser.add_argument("--site", required=True, help="the site key")
    parser.add_argument("--origin", default="http://127.0.0.1:8300", help="the website's origin")
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seed", type=int, help="for the same people again")
    options = parser.parse_args()
    seed = fresh_seed() if options.seed is None else options.seed
    place = Place(options.collector.rstrip("/"), options.site, options.origin.rstrip("/"))
    addresses = known_addresses(os.environ.get("GEOIP_DB", ""), seed)
    asyncio.run(run_until_told(Crowd(place, max(0, options.visitors), addresses, seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
