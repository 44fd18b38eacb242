"""`python -m services.collector`: the public edge as a process."""

import sys

from services.collector.app import build
from services.collector.settings import CollectorSettings
from shared.runtime.service import run_service

if __name__ == "__main__":
    sys.exit(run_service("collector", CollectorSettings, build))
