"""`python -m services.collector`: the public edge as a process."""

import gc
import sys

from services.collector.app import build
from services.collector.settings import CollectorSettings
from shared.runtime.service import run_service

# Each request makes some 50 objects that die with it. The default of 700 allocations between two looks at the young
# ones costs 8 % of the CPU here and finds nothing.
GC_THRESHOLDS = (20_000, 20, 50)

if __name__ == "__main__":
    gc.set_threshold(*GC_THRESHOLDS)
    sys.exit(run_service("collector", CollectorSettings, build))
