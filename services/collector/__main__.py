"""`python -m services.collector`: the public edge as a process, or as several (`COLLECTOR_WORKERS`)."""

import asyncio
import gc
import os
import sys

from services.collector.app import build
from services.collector.settings import CollectorSettings
from services.collector.workers import supervise
from shared.runtime.logs import configure_logging
from shared.runtime.service import run_service
from shared.runtime.settings import SettingsError, load

# Each request makes some 50 objects that die with it. The default of 700 allocations between two looks at the young
# ones costs 8 % of the CPU here and finds nothing.
GC_THRESHOLDS = (20_000, 20, 50)


def main() -> int:
    """The exit status."""
    try:
        settings = load(CollectorSettings, os.environ)
    except SettingsError:
        settings = None  # the service itself says what is wrong
    if settings is not None and settings.workers > 1 and not sys.argv[1:]:
        configure_logging("collector", settings.log_level)
        return asyncio.run(supervise(settings))
    gc.set_threshold(*GC_THRESHOLDS)
    return run_service("collector", CollectorSettings, build)


if __name__ == "__main__":
    sys.exit(main())
