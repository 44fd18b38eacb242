"""`python -m services.presence`: one instance, until SIGTERM."""

import sys

from services.presence.app import build
from services.presence.settings import PresenceSettings
from shared.runtime.service import run_service

sys.exit(run_service("presence", PresenceSettings, build))
