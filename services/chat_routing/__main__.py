"""`python -m services.chat_routing`: one instance, until SIGTERM."""

import sys

from services.chat_routing.app import build
from services.chat_routing.settings import ChatRoutingSettings
from shared.runtime.service import run_service

sys.exit(run_service("chat_routing", ChatRoutingSettings, build))
