"""`python -m services.operator_gateway`: one gateway, until SIGTERM; with `admin ...` the command line for repair."""

import gc
import sys

from services.operator_gateway import admin
from services.operator_gateway.app import build
from services.operator_gateway.settings import GatewaySettings
from shared.runtime.service import run_service

# Decoded changes and differences die at once; what stays (rows) is not looked through at all. Fewer looks then.
GC_THRESHOLDS = (20_000, 20, 50)

if __name__ == "__main__":
    if sys.argv[1:2] == ["admin"]:
        sys.exit(admin.main(sys.argv[2:]))
    gc.set_threshold(*GC_THRESHOLDS)
    sys.exit(run_service("operator_gateway", GatewaySettings, build))
